using Picograd.Algorithms.Operators;
using Picograd.Schedules.Backend;
using Picograd.Schedules.Ir;

namespace Picograd.Dispatch;

/// <summary>
/// Has a second processor make a few small kernels, which nobody calls, while the program's first operator is on its way. Most of
/// the time to a first result is not work but .NET loading the compiler's types and methods, and what one thread has loaded the
/// other need not.
/// </summary>
internal static class WarmStart
{
    // One operator for each way to make a kernel that models have: packed products with what follows them, functions of elements,
    // a class of rows.
    private static readonly string[] Kinds =
    [
        "matmul m=64 n=256 k=100 tb=1 bias=1",
        "tanh n=1000",
        "cross_entropy.adjoint rows=20 classes=40",
    ];

    private static int s_begun;

    /// <summary>Once a process, and only where there is a processor to spare.</summary>
    /// <param name="threads">Number of threads that kernels may use; asked on the other thread.</param>
    public static void Begin(Func<int> threads)
    {
        if (Environment.ProcessorCount < 2 || Interlocked.Exchange(ref s_begun, 1) != 0)
            return;
        new Thread(() => Run(threads)) { IsBackground = true, Name = "picograd: warm start" }.Start();
    }

    private static void Run(Func<int> threads)
    {
        int count;
        try
        {
            count = threads();
        }
        catch (InvalidOperationException)
        {
            // What the environment says of them is refused, as it is for whoever calls an operator.
            return;
        }
        try
        {
            var context = new DispatchContext(
                null,
                DefaultRules.Backend,
                count,
                DefaultRules.Rule,
                CpuRuntime.Instance
            );
            foreach (string kind in Kinds)
                context.Resolve(OperatorSpec.Parse(kind));
        }
        catch (Exception refusal) when (refusal is ScheduleException or LoweringException or OutOfMemoryException)
        {
            // Whoever calls an operator on this machine is told the same.
        }
        catch (Exception fault)
        {
            // Left to itself it would end the process, for kernels that nobody asked for.
            Dispatcher.OnWarning(
                $"making kernels ahead failed ({fault.GetType().Name}: {fault.Message.TrimEnd('.')})."
            );
        }
    }
}
