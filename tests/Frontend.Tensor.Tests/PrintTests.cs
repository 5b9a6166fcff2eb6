using Xunit;

namespace Picograd.Tests;

/// <summary>Texts follow the rules of PyTorch's torch/_tensor_str.py.</summary>
public class PrintTests
{
    [Fact]
    public void Numbers_lines_and_gaps()
    {
        Assert.Equal("tensor([1., 2., 3.])", Tensor.From([1f, 2, 3]).ToString());
        Assert.Equal("tensor(0.5000)", Tensor.From(0.5f).ToString());
        Assert.Equal(
            "tensor([    nan,     inf,    -inf, -0.5000])",
            Tensor.From([float.NaN, float.PositiveInfinity, float.NegativeInfinity, -0.5f]).ToString()
        );
        Assert.Equal("tensor([0., 0.], dtype=torch.float64)", Tensor.Zeros([2], DType.Float64).ToString());
        Assert.Equal("tensor([1, 2], dtype=torch.int32)", Tensor.From([1, 2]).ToString());
        Assert.Equal("tensor([])", Tensor.Zeros(0).ToString());
        Assert.Equal(
            "tensor(..., device='meta', size=(2, 3))",
            Tensor.Zeros([2, 3], DType.Float32, Device.Meta).ToString()
        );
        // A line holds 80 characters; between matrices there is an empty line.
        Assert.Equal(
            "tensor([ 0,  1,  2,  3,  4,  5,  6,  7,  8,  9, 10, 11, 12, 13, 14, 15, 16, 17,\n        18, 19])",
            Tensor.Arange(20).ToString()
        );
        Assert.Equal(
            "tensor([[[0, 1],\n         [2, 3]],\n\n        [[4, 5],\n         [6, 7]]])",
            Tensor.Arange(8).Reshape(2, 2, 2).ToString()
        );
        Assert.Equal(
            "tensor([[   0,    1,    2,  ...,   97,   98,   99],\n"
                + "        [ 100,  101,  102,  ...,  197,  198,  199],\n"
                + "        [ 200,  201,  202,  ...,  297,  298,  299],\n"
                + "        ...,\n"
                + "        [1700, 1701, 1702,  ..., 1797, 1798, 1799],\n"
                + "        [1800, 1801, 1802,  ..., 1897, 1898, 1899],\n"
                + "        [1900, 1901, 1902,  ..., 1997, 1998, 1999]])",
            Tensor.Arange(2000).Reshape(20, 100).ToString()
        );
    }

    [Fact]
    public void Options()
    {
        var x = Tensor.From([1.23456f, 2, 3, 4, 5]);
        try
        {
            Tensor.SetPrintOptions(precision: 2, threshold: 4, edgeItems: 1);
            Assert.Equal("tensor([1.23,  ..., 5.00])", x.ToString());
            Tensor.SetPrintOptions(profile: "full", sciMode: true);
            Assert.Equal("tensor([1.2346e+00, 2.0000e+00, 3.0000e+00, 4.0000e+00, 5.0000e+00])", x.ToString());
            Assert.Throws<ArgumentException>(() => Tensor.SetPrintOptions(profile: "long"));
            Assert.Throws<ArgumentOutOfRangeException>(() => Tensor.SetPrintOptions(precision: -1));
        }
        finally
        {
            Tensor.SetPrintOptions(profile: "default");
        }
        Assert.Equal(new PrintOptions(), Tensor.GetPrintOptions());
    }
}
