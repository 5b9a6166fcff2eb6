using Xunit;

namespace Picograd.Tests.Expressions;

public class DTypeTests
{
    // Rows are found by their places.
    [Fact]
    public void Every_dtype_has_its_row_and_its_words()
    {
        foreach (var type in Enum.GetValues<DType>())
        {
            var row = DTypeInfo.Of(type);
            Assert.Equal(type, row.Type);
            Assert.All(row.Aliases.Add(row.Name), word => Assert.Equal(type, DTypeInfo.Parse(word.ToUpperInvariant())));
        }
        Assert.Null(DTypeInfo.Parse("f33"));
    }
}
