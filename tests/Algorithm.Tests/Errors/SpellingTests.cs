using Picograd.Algorithms;
using Picograd.Algorithms.Operators;
using Xunit;

namespace Picograd.Tests.Errors;

public sealed class SpellingTests
{
    private static readonly string[] Words = ["add", "and", "matmul", "max", "maximum", "softmax", "sum", "m"];

    [Theory]
    [InlineData("matmull", "matmul")]
    [InlineData("mtamul", "matmul")]
    [InlineData("MatMul", "matmul")]
    [InlineData("softm", "softmax")]
    [InlineData("amd", "add,and")]
    [InlineData("M", "m")]
    [InlineData("k", "")]
    [InlineData("mx", "max")]
    [InlineData("", "")]
    [InlineData("convolution", "")]
    public void The_nearest_words_are_found(string word, string expected) =>
        Assert.Equal(expected, string.Join(',', Spelling.Nearest(word, Words)));

    [Fact]
    public void Hints_are_read_as_questions()
    {
        Assert.Equal("", Spelling.Hint([]));
        Assert.Equal(" (did you mean a?)", Spelling.Hint(["a"]));
        Assert.Equal(" (did you mean a, b or c?)", Spelling.Hint(["a", "b", "c"]));
    }

    [Fact]
    public void An_operator_and_a_type_of_another_library_are_recognised()
    {
        var unknown = Assert.Throws<OperatorSpecException>(() => OperatorSpec.Parse("softmx rows=3 cols=5"));
        Assert.Equal("unknown operator 'softmx' (did you mean softmax?)", unknown.Message);
        foreach (var type in Enum.GetValues<DType>())
        {
            Assert.Equal(type, DTypes.Parse(type.Name()));
            Assert.Equal(type, DTypes.Parse(type.ToString()));
        }
        Assert.Equal(DType.Float16, DTypes.Parse("half"));
        Assert.Null(DTypes.Parse("complex64"));
    }
}
