using Picograd.Algorithms;
using Picograd.Dispatch;
using Xunit;

namespace Picograd.Tests;

public class SmokeTests
{
    [Fact]
    public void Smoke()
    {
        Dispatcher.Use(null, new EvaluatorBackend());
        var a = Tensor.From(new float[] { 1, 2, 3, 4, 5, 6 }, [2, 3]);
        var b = a.T;
        var c = a.MatMul(b);
        Console.WriteLine(c);
        Console.WriteLine(a + Tensor.From(new float[] { 10, 20, 30 }));
        Console.WriteLine(b * 2 + 1);
        Console.WriteLine(a.Sum(0));
        Console.WriteLine(a.Mean());
        Console.WriteLine(a.Max(1).Indices);
        Console.WriteLine(Tensor.Rand(3, 4));
        Console.WriteLine(Tensor.Randn(3, 4).Softmax());
        Console.WriteLine(a[.., 1..3]);
        Console.WriteLine(a[1]);
        Console.WriteLine(a[Tensor.From(new long[] { 1, 0, 1 })]);
        var x = Tensor.Randn(4, 3).RequiresGrad_();
        var l = (x.Tanh() * 3).Sum();
        l.Backward();
        Console.WriteLine(x.Grad);
        Console.WriteLine(Dispatcher.Statistics);
        Console.WriteLine(Dispatcher.Explain("tanh n=12"));
    }
}
