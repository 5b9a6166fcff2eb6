using System.Runtime.InteropServices;

namespace Picograd.Baselines;

/// <summary>
/// OpenBLAS, where the system has it: its single-precision matrix product and its number of threads. Only a library with
/// OpenBLAS's own functions counts; the reference BLAS that some systems install as libblas does not.
/// </summary>
/// <remarks>
/// OpenBLAS chooses kernels by the processor's model, and a version older than the processor falls back to older ones:
/// 0.3.21 runs its AVX2 kernels (Haswell) on a Zen 5 with AVX-512, at half the speed that the same library reaches there when
/// the environment variable <c>OPENBLAS_CORETYPE=SKYLAKEX</c> is set before the process starts. <see cref="Description"/>
/// says which kernels run, so that a report can show it. After a call with several threads its own threads keep their
/// cores busy for some tens of milliseconds (<c>OPENBLAS_THREAD_TIMEOUT</c>): timings that follow at once, of any other
/// library with several threads, need a pause first.
/// </remarks>
public static unsafe class OpenBlas
{
    private const int RowMajor = 101;
    private const int NoTranspose = 111;
    private const int Transpose = 112;

    private static readonly string[] Names =
    [
        "libopenblas.so.0",
        "libopenblas.so",
        "libopenblas.dylib",
        "openblas.dll",
        "libopenblas.dll",
    ];

    private static readonly Lock Gate = new();
    private static readonly Binding? Library = Load();
    private static int s_threads;

    /// <summary>The functions of a loaded library.</summary>
    private sealed record Binding(string Name, nint Gemm, nint SetThreads, nint GetConfig);

    /// <summary>Whether OpenBLAS was found.</summary>
    public static bool IsAvailable => Library is not null;

    /// <summary>What is missing and how to get it; empty where nothing is.</summary>
    public static string Missing =>
        IsAvailable
            ? ""
            : $"OpenBLAS was not found ({Names[0]} or openblas.dll); on Debian or Ubuntu install it with"
                + " 'apt-get install libopenblas0', on macOS with 'brew install openblas', on Windows put openblas.dll on"
                + " the PATH.";

    /// <summary>The library's own description (version, kernels chosen for this processor); empty where it is missing.</summary>
    public static string Description =>
        Library is { GetConfig: not 0 } library
            ? Marshal.PtrToStringUTF8(((delegate* unmanaged[Cdecl]<nint>)library.GetConfig)())?.Trim() ?? ""
            : "";

    /// <summary>C = A·B, row-major and contiguous; parameters as <see cref="HandMatmul.Run"/>.</summary>
    /// <exception cref="InvalidOperationException">OpenBLAS is missing; the message says how to get it.</exception>
    /// <exception cref="ArgumentOutOfRangeException">A dimension above 2^31 − 1, which its interface cannot express.</exception>
    public static void Matmul(
        float* a,
        float* b,
        float* c,
        long m,
        long n,
        long k,
        bool ta,
        bool tb,
        long batch,
        int threads
    )
    {
        Binding library = Library ?? throw new InvalidOperationException(Missing);
        if (Math.Max(m, Math.Max(n, k)) > int.MaxValue)
        {
            throw new ArgumentOutOfRangeException(
                nameof(m),
                $"The product {m} × {n} × {k} has a dimension above {int.MaxValue}, which OpenBLAS cannot take."
            );
        }
        lock (Gate)
        {
            if (s_threads != threads)
            {
                ((delegate* unmanaged[Cdecl]<int, void>)library.SetThreads)(threads);
                s_threads = threads;
            }
            var gemm = (delegate* unmanaged[Cdecl]<
                int, // order
                int, // is A transposed
                int, // is B transposed
                int, // m
                int, // n
                int, // k
                float, // alpha
                float*,
                int, // leading dimension of A
                float*,
                int, // leading dimension of B
                float, // beta
                float*,
                int, // leading dimension of C
                void>)
                library.Gemm;
            for (long i = 0; i < batch; i++)
            {
                gemm(
                    RowMajor,
                    ta ? Transpose : NoTranspose,
                    tb ? Transpose : NoTranspose,
                    (int)m,
                    (int)n,
                    (int)k,
                    1f,
                    a + i * m * k,
                    (int)(ta ? m : k),
                    b + i * k * n,
                    (int)(tb ? k : n),
                    0f,
                    c + i * m * n,
                    (int)n
                );
            }
        }
    }

    private static Binding? Load()
    {
        foreach (string name in Names)
        {
            if (!NativeLibrary.TryLoad(name, out nint handle))
            {
                continue;
            }
            if (
                NativeLibrary.TryGetExport(handle, "cblas_sgemm", out nint gemm)
                && NativeLibrary.TryGetExport(handle, "openblas_set_num_threads", out nint setThreads)
            )
            {
                NativeLibrary.TryGetExport(handle, "openblas_get_config", out nint config);
                return new Binding(name, gemm, setThreads, config);
            }
            NativeLibrary.Free(handle);
        }
        return null;
    }
}
