using Picograd.Lower.Cuda.Runtime;

namespace Picograd.Baselines;

/// <summary>
/// A library's call that has several algorithms, with the one that is fastest here: the library's own ranking is a guess,
/// and a report should compare with the library at its best.
/// </summary>
internal static class FastestAlgorithm
{
    private const int Runs = 5;

    /// <summary>The fastest of the algorithms that run at all, as an action on the device's current stream.</summary>
    /// <param name="device">Where.</param>
    /// <param name="count">Algorithms, numbered from 0.</param>
    /// <param name="workspaceBytes">What an algorithm needs.</param>
    /// <param name="run">Algorithm, workspace, stream.</param>
    /// <exception cref="CudaLibraryException">None of them runs; what the first one said.</exception>
    public static Action Of(CudaDevice device, int count, Func<int, long> workspaceBytes, Action<int, nint, nint> run)
    {
        CudaBuffer workspace = device.Rent(Math.Max(256, Enumerable.Range(0, count).Max(workspaceBytes)));
        int best = -1;
        double least = double.PositiveInfinity;
        CudaLibraryException? refusal = null;
        for (int i = 0; i < count; i++)
        {
            try
            {
                double took = Time(device, () => run(i, workspace.Address, device.CurrentStream.Handle));
                if (took < least)
                    (best, least) = (i, took);
            }
            catch (CudaLibraryException e)
            {
                // An algorithm may be listed and then be refused for these addresses; others remain.
                refusal ??= e;
            }
        }
        if (best < 0)
        {
            workspace.Dispose();
            throw refusal!;
        }
        return () => run(best, workspace.Address, device.CurrentStream.Handle);
    }

    private static double Time(CudaDevice device, Action run)
    {
        run();
        using var start = new CudaEvent(device);
        using var end = new CudaEvent(device);
        start.Record(device.CurrentStream);
        for (int i = 0; i < Runs; i++)
            run();
        end.Record(device.CurrentStream);
        end.Synchronize();
        return end.MillisecondsSince(start);
    }
}
