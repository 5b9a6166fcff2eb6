using System.Reflection;
using Xunit;

namespace Picograd.Tests;

public class TensorIdentityTests
{
    [Fact]
    public void TheOperatorsCompareObjectsAndTheCompilerWarnsOfThem()
    {
        var a = Tensor.Ones(3);
        var b = Tensor.Ones(3);
        var same = a;
#pragma warning disable CS0618
        Assert.True(a == same);
        Assert.False(a == b);
        Assert.True(a != b);
        Assert.False(a != same);
#pragma warning restore CS0618
        foreach (string name in new[] { "op_Equality", "op_Inequality" })
        {
            var method = typeof(Tensor).GetMethod(name, [typeof(Tensor), typeof(Tensor)])!;
            Assert.Contains("Eq", method.GetCustomAttribute<ObsoleteAttribute>()!.Message);
        }
        Assert.True(a.Equals(same));
        Assert.False(a.Equals(b));
        Assert.Equal(a.GetHashCode(), same.GetHashCode());
        Assert.Equal([1, 1, 1], a.Eq(b).ToDoubles());
    }

    /// <summary>That this compiles at all, with warnings as errors, is half of the test.</summary>
    [Fact]
    public void ComparingWithNullIsNoMistake()
    {
        Tensor? none = null;
        Tensor? some = Tensor.Ones(1);
        Assert.True(none == null);
        Assert.True(null == none);
        Assert.False(some == null);
        Assert.True(some != null);
        Assert.True(null != some);
        Assert.True(none is null && some is not null);
    }
}
