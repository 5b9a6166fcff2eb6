using Picograd.Schedules.Primitives;
using Xunit;
using static Picograd.Tests.Storage.StorageFixtures;

namespace Picograd.Tests.Storage;

/// <summary>The documented nests compute what their sample says, not only what they show.</summary>
public class StorageExampleTests
{
    [Theory]
    [InlineData("compute_inline")]
    [InlineData("decompose_padding")]
    [InlineData("pad_einsum")]
    [InlineData("reverse_compute_inline")]
    [InlineData("storage_align")]
    [InlineData("swizzle")]
    [InlineData("tensorize")]
    [InlineData("transform_layout")]
    public void ExampleAgreesWithTheEvaluator(string primitive)
    {
        var example = PrimitiveRegistry.Get(primitive).Example;
        Assert.NotNull(example);
        Agrees(example.Result());
    }
}
