using System.Runtime.InteropServices;
using Picograd.Algorithms;

namespace Picograd.Baselines;

/// <summary>
/// cuBLASLt, where the system has it: row-major matrix products on device memory, by the algorithm that its own
/// heuristics rank first or by any of the next ones, so that a report can take the fastest.
/// </summary>
/// <remarks>
/// The library is column-major: C = A·B is asked for as Cᵀ = Bᵀ·Aᵀ. Constants are those of cublasLt.h, the same from
/// CUDA 11 to 13.
/// </remarks>
public static unsafe class CublasLt
{
    /// <summary>Most candidates that are asked for.</summary>
    public const int MostAlgorithms = 8;

    private const int Compute32F = 68;
    private const int Compute32FFastTf32 = 77;
    private const int DescTransA = 3;
    private const int DescTransB = 4;
    private const int LayoutBatchCount = 5;
    private const int LayoutBatchStride = 6;
    private const int PreferenceWorkspace = 1;

    private static readonly Lock Gate = new();
    private static readonly nint Library = CudaLibrary.LoadForDriver(
        "libcublasLt.so.13",
        "libcublasLt.so.12",
        "libcublasLt.so.11",
        "cublasLt64_13.dll",
        "cublasLt64_12.dll",
        "cublasLt64_11.dll"
    );
    private static nint s_handle;

    /// <summary>Whether the library was found.</summary>
    public static bool IsAvailable => Library != 0;

    /// <summary>What is missing and how to get it; empty where nothing is.</summary>
    public static string Missing =>
        IsAvailable
            ? ""
            : "cuBLASLt was not found (libcublasLt.so.13, .12 or .11); it comes with the CUDA toolkit and with PyTorch's"
                + " packages for CUDA: put its folder on LD_LIBRARY_PATH.";

    /// <summary>The library's version, for instance 130001; 0 where it is missing.</summary>
    public static long Version =>
        IsAvailable ? (long)((delegate* unmanaged[Cdecl]<nuint>)Function("cublasLtGetVersion"))() : 0;

    /// <summary>Whether there is a product for elements of a type.</summary>
    public static bool Supports(DType type) => type is DType.Float32 or DType.Float16 or DType.BFloat16;

    /// <summary>A product prepared for given shapes; see <see cref="Prepare"/>.</summary>
    public sealed class Product : IDisposable
    {
        private readonly nint _description;
        private readonly nint _left;
        private readonly nint _right;
        private readonly nint _result;
        private readonly Heuristic[] _algorithms;

        internal Product(nint description, nint left, nint right, nint result, Heuristic[] algorithms)
        {
            (_description, _left, _right, _result, _algorithms) = (description, left, right, result, algorithms);
        }

        /// <summary>How many algorithms there are, the one that the library thinks best first.</summary>
        public int Count => _algorithms.Length;

        /// <summary>Workspace bytes that an algorithm needs.</summary>
        public long WorkspaceBytes(int algorithm) => (long)_algorithms[algorithm].Workspace;

        /// <summary>Starts C = A·B on a stream; addresses are the device's.</summary>
        /// <exception cref="CudaLibraryException">The library refused.</exception>
        public void Run(int algorithm, nint a, nint b, nint c, nint workspace, nint stream)
        {
            float one = 1;
            float zero = 0;
            fixed (Heuristic* chosen = &_algorithms[algorithm])
            {
                var matmul = (delegate* unmanaged[Cdecl]<
                    nint,
                    nint,
                    void*,
                    nint,
                    nint,
                    nint,
                    nint,
                    void*,
                    nint,
                    nint,
                    nint,
                    nint,
                    void*,
                    nint,
                    nuint,
                    nint,
                    int>)Function("cublasLtMatmul");
                // Column-major: the right operand comes first.
                Check(
                    "cublasLtMatmul",
                    matmul(
                        Handle(),
                        _description,
                        &one,
                        b,
                        _left,
                        a,
                        _right,
                        &zero,
                        c,
                        _result,
                        c,
                        _result,
                        chosen->Algorithm,
                        workspace,
                        (nuint)chosen->Workspace,
                        stream
                    )
                );
            }
        }

        public void Dispose()
        {
            Destroy("cublasLtMatmulDescDestroy", _description);
            Destroy("cublasLtMatrixLayoutDestroy", _left);
            Destroy("cublasLtMatrixLayoutDestroy", _right);
            Destroy("cublasLtMatrixLayoutDestroy", _result);
        }
    }

    /// <summary>
    /// Prepares C[batch, m, n] = A·B of row-major operands; <paramref name="ta"/> and <paramref name="tb"/> say that A is stored
    /// [k, m] and B [n, k]. Sums are float32.
    /// </summary>
    /// <param name="type">Of all three: float32, float16 or bfloat16.</param>
    /// <param name="tf32">Whether float32 products may be computed in tf32.</param>
    /// <param name="workspaceBytes">Most workspace that an algorithm may need.</param>
    /// <exception cref="InvalidOperationException">The library is missing.</exception>
    /// <exception cref="CudaLibraryException">It refused; also where it has no algorithm for the shapes.</exception>
    public static Product Prepare(
        long m,
        long n,
        long k,
        long batch,
        bool ta,
        bool tb,
        DType type,
        bool tf32,
        long workspaceBytes
    )
    {
        if (!IsAvailable)
            throw new InvalidOperationException(Missing);
        int data = type switch
        {
            DType.Float32 => 0,
            DType.Float16 => 2,
            DType.BFloat16 => 14,
            _ => throw new ArgumentException(
                $"type is {type.Name()}, but products are of f32, f16 or bf16.",
                nameof(type)
            ),
        };
        nint description;
        Check(
            "cublasLtMatmulDescCreate",
            ((delegate* unmanaged[Cdecl]<nint*, int, int, int>)Function("cublasLtMatmulDescCreate"))(
                &description,
                tf32 ? Compute32FFastTf32 : Compute32F,
                0
            )
        );
        SetInt("cublasLtMatmulDescSetAttribute", description, DescTransA, tb ? 1 : 0);
        SetInt("cublasLtMatmulDescSetAttribute", description, DescTransB, ta ? 1 : 0);
        nint left = LayoutOf(data, tb ? k : n, tb ? n : k, batch);
        nint right = LayoutOf(data, ta ? m : k, ta ? k : m, batch);
        nint result = LayoutOf(data, n, m, batch);
        nint preference;
        Check(
            "cublasLtMatmulPreferenceCreate",
            ((delegate* unmanaged[Cdecl]<nint*, int>)Function("cublasLtMatmulPreferenceCreate"))(&preference)
        );
        SetLong("cublasLtMatmulPreferenceSetAttribute", preference, PreferenceWorkspace, workspaceBytes);
        var found = new Heuristic[MostAlgorithms];
        int count;
        int status;
        fixed (Heuristic* first = found)
        {
            status = (
                (delegate* unmanaged[Cdecl]<
                    nint,
                    nint,
                    nint,
                    nint,
                    nint,
                    nint,
                    nint,
                    int,
                    Heuristic*,
                    int*,
                    int>)Function("cublasLtMatmulAlgoGetHeuristic")
            )(Handle(), description, left, right, result, result, preference, found.Length, first, &count);
        }
        Destroy("cublasLtMatmulPreferenceDestroy", preference);
        var product = new Product(description, left, right, result, [.. found.Take(count).Where(h => h.Status == 0)]);
        if (status == 0 && product.Count > 0)
            return product;
        product.Dispose();
        throw new CudaLibraryException("cublasLtMatmulAlgoGetHeuristic", status);
    }

    /// <summary>cublasLtMatmulHeuristicResult_t.</summary>
    [StructLayout(LayoutKind.Sequential)]
    internal struct Heuristic
    {
        public fixed ulong Algorithm[8];
        public ulong Workspace;
        public int Status;
        public float Waves;
        private fixed int _reserved[4];
    }

    // A column-major matrix without gaps.
    private static nint LayoutOf(int data, long rows, long columns, long batch)
    {
        nint layout;
        Check(
            "cublasLtMatrixLayoutCreate",
            ((delegate* unmanaged[Cdecl]<nint*, int, ulong, ulong, long, int>)Function("cublasLtMatrixLayoutCreate"))(
                &layout,
                data,
                (ulong)rows,
                (ulong)columns,
                rows
            )
        );
        if (batch > 1)
        {
            SetInt("cublasLtMatrixLayoutSetAttribute", layout, LayoutBatchCount, checked((int)batch));
            SetLong("cublasLtMatrixLayoutSetAttribute", layout, LayoutBatchStride, rows * columns);
        }
        return layout;
    }

    private static void SetInt(string function, nint target, int attribute, int value) =>
        Check(
            function,
            ((delegate* unmanaged[Cdecl]<nint, int, void*, nuint, int>)Function(function))(
                target,
                attribute,
                &value,
                sizeof(int)
            )
        );

    private static void SetLong(string function, nint target, int attribute, long value) =>
        Check(
            function,
            ((delegate* unmanaged[Cdecl]<nint, int, void*, nuint, int>)Function(function))(
                target,
                attribute,
                &value,
                sizeof(long)
            )
        );

    private static void Destroy(string function, nint target) =>
        Check(function, ((delegate* unmanaged[Cdecl]<nint, int>)Function(function))(target));

    // The context that is current when it is first used stays its own.
    private static nint Handle()
    {
        lock (Gate)
        {
            if (s_handle == 0)
            {
                nint handle;
                Check("cublasLtCreate", ((delegate* unmanaged[Cdecl]<nint*, int>)Function("cublasLtCreate"))(&handle));
                s_handle = handle;
            }
            return s_handle;
        }
    }

    private static nint Function(string name) => NativeLibrary.GetExport(Library, name);

    private static void Check(string call, int status)
    {
        if (status != 0)
            throw new CudaLibraryException(call, status);
    }
}
