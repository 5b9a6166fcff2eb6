using Picograd.Algorithms.Operators;
using Picograd.Schedules;

namespace Picograd.Dispatch;

/// <summary>
/// Has a second processor make a few small kernels, which nobody calls, while the program's first operator is on its way. Most of the
/// time to a first result is not work but .NET loading the compiler's types and methods, and what one thread has loaded the other
/// need not.
/// </summary>
internal static class WarmStart
{
    // One operator for each way to schedule: a contraction, a class of rows, elements. Small, so that little is computed.
    private static readonly string[] Kinds = ["matmul m=64 n=64 k=64", "cross_entropy rows=32 classes=27"];

    private static int s_begun;

    /// <summary>Once a process, and only where there is a processor to spare.</summary>
    public static void Begin(Func<int> threads)
    {
        if (Environment.ProcessorCount < 2 || Interlocked.Exchange(ref s_begun, 1) != 0)
            return;
        new Thread(() => Run(threads())) { IsBackground = true, Name = "picograd: warm start" }.Start();
    }

    private static void Run(int threads)
    {
        var context = new DispatchContext(null, DefaultRules.Backend, threads, DefaultRules.Rule, CpuRuntime.Instance);
        foreach (string kind in Kinds)
        {
            try
            {
                context.Resolve(OperatorSpec.Parse(kind));
            }
            catch (Exception refusal) when (refusal is ScheduleException or LoweringException)
            {
                // Whoever calls the operator is told.
            }
        }
    }
}
