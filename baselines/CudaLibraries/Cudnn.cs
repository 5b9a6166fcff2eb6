using System.Runtime.InteropServices;

namespace Picograd.Baselines;

/// <summary>
/// cuDNN, where the system has it: softmax along rows and convolutions, float32 on device memory, without tf32.
/// </summary>
/// <remarks>Constants are those of cudnn.h, the same in versions 8 and 9.</remarks>
public static unsafe class Cudnn
{
    private const int Nchw = 0;
    private const int Float = 0;
    private const int CrossCorrelation = 1;
    private const int FmaMath = 3;
    private const int AccurateSoftmax = 1;
    private const int LogSoftmax = 2;
    private const int OverInstance = 0;

    private static readonly Lock Gate = new();
    private static readonly nint Library = CudaLibrary.Load(
        "libcudnn.so.9",
        "libcudnn.so.8",
        "cudnn64_9.dll",
        "cudnn64_8.dll"
    );
    private static nint s_handle;

    /// <summary>Whether the library was found.</summary>
    public static bool IsAvailable => Library != 0;

    /// <summary>What is missing and how to get it; empty where nothing is.</summary>
    public static string Missing =>
        IsAvailable
            ? ""
            : "cuDNN was not found (libcudnn.so.9 or .8); it comes with PyTorch's packages for CUDA, or from NVIDIA: put its"
                + " folder on LD_LIBRARY_PATH.";

    /// <summary>The library's version, for instance 90100; 0 where it is missing.</summary>
    public static long Version =>
        IsAvailable ? (long)((delegate* unmanaged[Cdecl]<nuint>)Function("cudnnGetVersion"))() : 0;

    /// <summary>Softmax or its logarithm along the rows of a dense matrix, prepared.</summary>
    /// <exception cref="InvalidOperationException">The library is missing.</exception>
    /// <exception cref="CudaLibraryException">It refused.</exception>
    public static Action<nint, nint, nint> Softmax(long rows, long columns, bool log)
    {
        Require();
        nint shape = TensorOf(rows, columns, 1, 1);
        return (x, y, stream) =>
        {
            float one = 1;
            float zero = 0;
            Check(
                "cudnnSoftmaxForward",
                (
                    (delegate* unmanaged[Cdecl]<nint, int, int, void*, nint, nint, void*, nint, nint, int>)Function(
                        "cudnnSoftmaxForward"
                    )
                )(Handle(stream), log ? LogSoftmax : AccurateSoftmax, OverInstance, &one, shape, x, &zero, shape, y)
            );
        };
    }

    /// <summary>Sizes of a two-dimensional convolution: dense NCHW tensors, filters [outputs, channels/groups, kh, kw].</summary>
    public readonly record struct Conv2d(
        long Batch,
        long Channels,
        long Height,
        long Width,
        long Outputs,
        long KernelHeight,
        long KernelWidth,
        int Stride,
        int Padding,
        int Dilation,
        int Groups
    );

    /// <summary>A convolution prepared: its algorithms, best first, and what they need.</summary>
    /// <param name="Count">How many algorithms there are.</param>
    /// <param name="WorkspaceBytes">Workspace of an algorithm.</param>
    /// <param name="Run">algorithm, x, filters, y, workspace, stream.</param>
    public sealed record Convolution(
        int Count,
        Func<int, long> WorkspaceBytes,
        Action<int, nint, nint, nint, nint, nint> Run
    );

    /// <inheritdoc cref="Convolution"/>
    /// <exception cref="InvalidOperationException">The library is missing.</exception>
    /// <exception cref="CudaLibraryException">It refused, or has no algorithm.</exception>
    public static Convolution Prepare(Conv2d c)
    {
        Require();
        nint x = TensorOf(c.Batch, c.Channels, c.Height, c.Width);
        nint filters = Made("cudnnCreateFilterDescriptor");
        Check(
            "cudnnSetFilter4dDescriptor",
            (
                (delegate* unmanaged[Cdecl]<nint, int, int, int, int, int, int, int>)Function(
                    "cudnnSetFilter4dDescriptor"
                )
            )(
                filters,
                Float,
                Nchw,
                (int)c.Outputs,
                (int)(c.Channels / c.Groups),
                (int)c.KernelHeight,
                (int)c.KernelWidth
            )
        );
        nint convolution = Made("cudnnCreateConvolutionDescriptor");
        Check(
            "cudnnSetConvolution2dDescriptor",
            (
                (delegate* unmanaged[Cdecl]<nint, int, int, int, int, int, int, int, int, int>)Function(
                    "cudnnSetConvolution2dDescriptor"
                )
            )(convolution, c.Padding, c.Padding, c.Stride, c.Stride, c.Dilation, c.Dilation, CrossCorrelation, Float)
        );
        var set = (delegate* unmanaged[Cdecl]<nint, int, int>)Function("cudnnSetConvolutionMathType");
        Check("cudnnSetConvolutionMathType", set(convolution, FmaMath));
        set = (delegate* unmanaged[Cdecl]<nint, int, int>)Function("cudnnSetConvolutionGroupCount");
        Check("cudnnSetConvolutionGroupCount", set(convolution, c.Groups));
        nint y = TensorOf(c.Batch, c.Outputs, Output(c.Height, c.KernelHeight, c), Output(c.Width, c.KernelWidth, c));
        var found = new Performance[8];
        int count;
        fixed (Performance* first = found)
        {
            Check(
                "cudnnGetConvolutionForwardAlgorithm_v7",
                (
                    (delegate* unmanaged[Cdecl]<nint, nint, nint, nint, nint, int, int*, Performance*, int>)Function(
                        "cudnnGetConvolutionForwardAlgorithm_v7"
                    )
                )(Handle(0), x, filters, convolution, y, found.Length, &count, first)
            );
        }
        Performance[] usable = [.. found.Take(count).Where(p => p.Status == 0)];
        if (usable.Length == 0)
            throw new CudaLibraryException("cudnnGetConvolutionForwardAlgorithm_v7", found[0].Status);
        return new Convolution(
            usable.Length,
            i => (long)usable[i].Memory,
            (i, input, weights, output, workspace, stream) =>
            {
                float one = 1;
                float zero = 0;
                Check(
                    "cudnnConvolutionForward",
                    (
                        (delegate* unmanaged[Cdecl]<
                            nint,
                            void*,
                            nint,
                            nint,
                            nint,
                            nint,
                            nint,
                            int,
                            nint,
                            nuint,
                            void*,
                            nint,
                            nint,
                            int>)Function("cudnnConvolutionForward")
                    )(
                        Handle(stream),
                        &one,
                        x,
                        input,
                        filters,
                        weights,
                        convolution,
                        usable[i].Algorithm,
                        workspace,
                        (nuint)usable[i].Memory,
                        &zero,
                        y,
                        output
                    )
                );
            }
        );
    }

    private static long Output(long size, long kernel, Conv2d c) =>
        (size + 2 * c.Padding - c.Dilation * (kernel - 1) - 1) / c.Stride + 1;

    /// <summary>cudnnConvolutionFwdAlgoPerf_t.</summary>
    [StructLayout(LayoutKind.Sequential)]
    private struct Performance
    {
        public int Algorithm;
        public int Status;
        public float Time;
        public ulong Memory;
        public int Determinism;
        public int MathType;
        private fixed int _reserved[3];
    }

    private static nint TensorOf(long n, long c, long h, long w)
    {
        nint tensor = Made("cudnnCreateTensorDescriptor");
        Check(
            "cudnnSetTensor4dDescriptor",
            (
                (delegate* unmanaged[Cdecl]<nint, int, int, int, int, int, int, int>)Function(
                    "cudnnSetTensor4dDescriptor"
                )
            )(tensor, Nchw, Float, checked((int)n), checked((int)c), checked((int)h), checked((int)w))
        );
        return tensor;
    }

    private static nint Made(string function)
    {
        nint made;
        Check(function, ((delegate* unmanaged[Cdecl]<nint*, int>)Function(function))(&made));
        return made;
    }

    private static nint Handle(nint stream)
    {
        lock (Gate)
        {
            if (s_handle == 0)
                s_handle = Made("cudnnCreate");
            Check(
                "cudnnSetStream",
                ((delegate* unmanaged[Cdecl]<nint, nint, int>)Function("cudnnSetStream"))(s_handle, stream)
            );
            return s_handle;
        }
    }

    private static void Require()
    {
        if (!IsAvailable)
            throw new InvalidOperationException(Missing);
    }

    private static nint Function(string name) => NativeLibrary.GetExport(Library, name);

    private static void Check(string call, int status)
    {
        if (status != 0)
            throw new CudaLibraryException(call, status);
    }
}
