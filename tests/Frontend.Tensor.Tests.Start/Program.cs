using System.Diagnostics;
using System.Runtime;

namespace Picograd.Tests;

/// <summary>
/// A program from its start to its first product and its first training step; says after each how many milliseconds it has run, how
/// many methods .NET has compiled, in how many milliseconds, and how many KiB were allocated.
/// </summary>
public static class StartProgram
{
    public static void Main()
    {
        double begun = (DateTime.Now - Process.GetCurrentProcess().StartTime).TotalMilliseconds;
        long at = Stopwatch.GetTimestamp();
        void Say(string what) =>
            Console.WriteLine(
                FormattableString.Invariant(
                    $"{what} {begun + Stopwatch.GetElapsedTime(at).TotalMilliseconds:F0} {JitInfo.GetCompiledMethodCount()} {JitInfo.GetCompilationTime().TotalMilliseconds:F0} {GC.GetTotalAllocatedBytes() / 1024}"
                )
            );

        var a = Tensor.Randn([64, 64], new Generator(1));
        _ = a.MatMul(a).ToArray<float>();
        Say("product");

        var generator = new Generator(2);
        var model = new Sequential(
            new Linear(30, 200, generator: generator),
            new Tanh(),
            new Linear(200, 27, generator: generator)
        );
        var optimizer = new SGD(model.Parameters, 0.1);
        var x = Tensor.Randn([32, 30], generator);
        var y = Tensor.RandInt(0, 27, [32], generator);
        using (Tensor.Scope())
        {
            var loss = F.CrossEntropy(model.Forward(x), y);
            optimizer.ZeroGrad();
            loss.Backward();
            optimizer.Step();
        }
        Say("step");
    }
}
