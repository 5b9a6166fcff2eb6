using Xunit;

namespace Picograd.Tests;

// The same tests once more, on generated machine code and default schedules.

public sealed class ElementwiseOnCpuTests : ElementwiseTests, IDisposable
{
    public ElementwiseOnCpuTests() => Setup.UseCpu();

    public void Dispose() => Setup.UseEvaluator();
}

public sealed class ReductionOnCpuTests : ReductionTests, IDisposable
{
    public ReductionOnCpuTests() => Setup.UseCpu();

    public void Dispose() => Setup.UseEvaluator();
}

public sealed class ProductOnCpuTests : ProductTests, IDisposable
{
    public ProductOnCpuTests() => Setup.UseCpu();

    public void Dispose() => Setup.UseEvaluator();
}

public sealed class ViewOnCpuTests : ViewTests, IDisposable
{
    public ViewOnCpuTests() => Setup.UseCpu();

    public void Dispose() => Setup.UseEvaluator();
}

public sealed class CreationOnCpuTests : CreationTests, IDisposable
{
    public CreationOnCpuTests() => Setup.UseCpu();

    public void Dispose() => Setup.UseEvaluator();
}

public sealed class InPlaceOnCpuTests : InPlaceTests, IDisposable
{
    public InPlaceOnCpuTests() => Setup.UseCpu();

    public void Dispose() => Setup.UseEvaluator();
}

public sealed class NnOnCpuTests : NnTests, IDisposable
{
    public NnOnCpuTests() => Setup.UseCpu(Math.Min(2, Environment.ProcessorCount));

    public void Dispose() => Setup.UseEvaluator();
}

public sealed class IntegerOnCpuTests : IntegerTests, IDisposable
{
    public IntegerOnCpuTests() => Setup.UseCpu();

    public void Dispose() => Setup.UseEvaluator();
}

public sealed class RandomOperatorOnCpuTests : RandomOperatorTests, IDisposable
{
    public RandomOperatorOnCpuTests() => Setup.UseCpu();

    public void Dispose() => Setup.UseEvaluator();
}

public sealed class CrossEntropyOnCpuTests : CrossEntropyTests, IDisposable
{
    public CrossEntropyOnCpuTests() => Setup.UseCpu();

    public void Dispose() => Setup.UseEvaluator();
}

public sealed class SamplingOnCpuTests : SamplingTests, IDisposable
{
    public SamplingOnCpuTests() => Setup.UseCpu();

    public void Dispose() => Setup.UseEvaluator();
}

public sealed class GradientOnCpuTests : GradientTests, IDisposable
{
    public GradientOnCpuTests() => Setup.UseCpu();

    public void Dispose() => Setup.UseEvaluator();
}
