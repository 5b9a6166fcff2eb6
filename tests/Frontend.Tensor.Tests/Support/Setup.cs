using System.Runtime.CompilerServices;
using Picograd.Dispatch;
using Picograd.Lower.Cpu;
using Picograd.Lower.Cpu.Machine;
using Xunit;

// Dispatch is one for the process, and tests of it change the back end.
[assembly: CollectionBehavior(DisableTestParallelization = true)]

namespace Picograd.Tests;

internal static class Setup
{
    /// <summary>Every test starts on the evaluator and without a database.</summary>
    [ModuleInitializer]
    internal static void Start() => UseEvaluator();

    public static void UseEvaluator() => Dispatcher.Use(null, threads => new EvaluatorBackend(threads), 1);

    public static void UseCpu(int threads = 1) =>
        Dispatcher.Use(null, count => new CpuBackend(CpuTarget.Detect(), count), threads);
}
