using Picograd.Algorithms;
using Picograd.Models;
using Xunit;

namespace Picograd.Tests;

/// <summary>Bad input throws at once, and the message names the operator, what was given and what is allowed.</summary>
public class ErrorTests
{
    private static readonly Tensor A = Tensor.Zeros(3, 4).Keep();
    private static readonly Tensor B = Tensor.Zeros(2, 5).Keep();

    public static TheoryData<string, Func<object>, string[]> ShapeMismatches =>
        new()
        {
            { "add", () => A + B, ["add", "[3, 4]", "[2, 5]"] },
            { "sub", () => A - B, ["sub", "[3, 4]", "[2, 5]"] },
            { "mul", () => A * B, ["mul", "[3, 4]", "[2, 5]"] },
            { "div", () => A / B, ["div", "[3, 4]", "[2, 5]"] },
            { "pow", () => A.Pow(B), ["pow", "[3, 4]", "[2, 5]"] },
            { "maximum", () => A.Maximum(B), ["maximum", "[3, 4]", "[2, 5]"] },
            { "minimum", () => A.Minimum(B), ["minimum", "[3, 4]", "[2, 5]"] },
            { "eq", () => A.Eq(B), ["eq", "[3, 4]", "[2, 5]"] },
            { "ne", () => A.Ne(B), ["ne", "[3, 4]", "[2, 5]"] },
            { "lt", () => A < B, ["lt", "[3, 4]", "[2, 5]"] },
            { "le", () => A <= B, ["le", "[3, 4]", "[2, 5]"] },
            { "gt", () => A > B, ["gt", "[3, 4]", "[2, 5]"] },
            { "ge", () => A >= B, ["ge", "[3, 4]", "[2, 5]"] },
            { "and", () => A.LogicalAnd(B), ["logical_and", "[3, 4]", "[2, 5]"] },
            { "or", () => A.LogicalOr(B), ["logical_or", "[3, 4]", "[2, 5]"] },
            { "xor", () => (A > 0) ^ (B > 0), ["logical_xor", "[3, 4]", "[2, 5]"] },
            { "where", () => Tensor.Where(A > 0, A, B), ["where", "[3, 4]", "[2, 5]"] },
            { "matmul", () => A.MatMul(B), ["matmul", "[3, 4]", "[2, 5]"] },
            { "batched matmul", () => Batch(2).MatMul(Batch(3)), ["matmul", "[2, 3, 3]", "[3, 3, 3]"] },
            { "matmul scalar", () => A.MatMul(Tensor.From(1f)), ["matmul", "[3, 4]", "[]"] },
            { "linear", () => F.Linear(A, B), ["linear", "[3, 4]", "[2, 5]"] },
            { "linear bias", () => F.Linear(A, A, Tensor.Zeros(7)), ["linear", "[7]", "[3, 4]"] },
            { "cross_entropy", () => F.CrossEntropy(A, Tensor.Arange(2)), ["cross_entropy", "[3, 4]", "[2]"] },
            { "mse_loss", () => F.MseLoss(A, B), ["mse_loss", "[3, 4]", "[2, 5]"] },
            { "embedding", () => F.Embedding(Tensor.Zeros(3), Tensor.Arange(2)), ["embedding", "[3]"] },
            { "cat", () => Tensor.Cat([A, B]), ["cat", "[3, 4]", "[2, 5]"] },
            { "stack", () => Tensor.Stack([A, B]), ["stack", "[3, 4]", "[2, 5]"] },
            { "reshape", () => A.Reshape(5, 2), ["Reshape", "[3, 4]", "[5, 2]"] },
            { "view", () => A.View(7, -1), ["View", "[3, 4]", "[7, -1]"] },
            { "view of a transpose", () => A.T.View(12), ["View", "[4, 3]", "[12]"] },
            { "expand", () => A.Expand(6, 4), ["Expand", "[3, 4]", "[6, 4]"] },
            { "permute", () => A.Permute(0), ["Permute", "[3, 4]"] },
            { "gather", () => A.Gather(1, Tensor.Zeros([4, 2], DType.Int64)), ["gather", "[4, 2]", "[3, 4]"] },
            { "add_", () => Tensor.Zeros(3).Add_(A), ["add_", "[3, 4]", "[3]"] },
            { "copy_", () => Tensor.Zeros(3).Copy_(A), ["copy_", "[3, 4]", "[3]"] },
            { "set-item", () => Set(Tensor.Zeros(3, 4), A), ["set-item", "[3, 4]", "[4]"] },
            { "from", () => Tensor.From([1f, 2], [3]), ["From", "2 values", "[3]"] },
            { "grad", () => Tensor.Zeros(3).RequiresGrad_().Grad = A, ["[3]", "[3, 4]"] },
            { "multinomial", () => Tensor.Ones(2, 2, 2).Multinomial(1), ["multinomial", "[2, 2, 2]"] },
            { "index", () => A[0, 1, 2], ["3 dimensions are indexed", "[3, 4]"] },
            { "pick", () => A[Tensor.From([0, 1]), Tensor.From([0, 1, 2])], ["[2]", "[3]", "broadcast"] },
            { "transpose", () => Tensor.Zeros(1, 2, 3).T, ["[1, 2, 3]"] },
        };

    [Theory]
    [MemberData(nameof(ShapeMismatches))]
    public void ShapesThatDoNotFitAreNamed(string name, Func<object> run, string[] parts)
    {
        var error = Assert.ThrowsAny<SystemException>(run);
        Assert.True(error is ArgumentException or InvalidOperationException, name);
        Assert.All(parts, part => Assert.Contains(part, error.Message));
    }

    public static TheoryData<Func<object>, string> WrongDTypes =>
        new()
        {
            { () => A.MatMul(Tensor.Zeros([4, 2], DType.Float64)), "matmul: the dtypes f32 and f64 differ" },
            { () => F.Linear(A, Tensor.Zeros([2, 4], DType.Float64)), "linear: the input is f32, the weight f64" },
            { () => Tensor.Arange(4).Mean(), "Mean: needs a float tensor, but this one is i64" },
            { () => Tensor.Arange(4).Softmax(), "softmax: needs a float tensor" },
            { () => F.Embedding(A, A), "embedding: indices must be int64" },
            { () => F.CrossEntropy(A, A[.., 0]), "cross_entropy: indices must be int64" },
            { () => Tensor.Where(A, A, A), "where: the condition must be bool, but it is f32" },
            { () => A[A], "index tensor must be int32, int64 or uint8, or a bool mask, but this one is f32" },
            { () => A.MaskedSelect(A), "masked_select: the mask must be bool, but it is f32" },
            {
                () => Tensor.Arange(3).Add_(0.5),
                "add_: the result is f32, which cannot be stored in place in a tensor of i64"
            },
            { () => Tensor.From([true]) - Tensor.From([true]), "sub: bools cannot be subtracted" },
            { () => -Tensor.From([true]), "neg: not defined for bools" },
            { () => A.ToArray<double>(), "ToArray: the tensor's dtype is f32, but Double was asked for" },
            { () => Tensor.From("ab".AsSpan()), "Char was given" },
            { () => Tensor.Zeros([2], DType.UInt32), "dtype is u32, but tensors are f32, f64, f16, bf16, i32" },
            { () => Tensor.Arange(3).RequiresGrad_(), "only float tensors have gradients, but this one is i64" },
            { () => Tensor.Rand([2], null, DType.Int64), "Rand: random numbers are floats, but i64" },
            { () => Tensor.Arange(3).Uniform_(), "uniform_: needs a float tensor, but this one is i64" },
            { () => Tensor.Arange(3).Normal_(), "normal_: needs a float tensor, but this one is i64" },
            {
                () => Tensor.Zeros(3).IndexPut_([Tensor.From([0L])], A),
                "index_put_: the shape [3, 4] does not broadcast"
            },
            { () => Tensor.From([2L]).Pow(-1), "pow: integers have no power -1" },
        };

    [Theory]
    [MemberData(nameof(WrongDTypes))]
    public void DTypesThatDoNotFitAreNamed(Func<object> run, string reason) =>
        Assert.Contains(reason, Assert.Throws<ArgumentException>(run).Message);

    public static TheoryData<Func<object>, string> OutOfRange =>
        new()
        {
            { () => A[3], "index 3 is out of range for dimension 0 of shape [3, 4]" },
            { () => A[0, -5], "index -5 is out of range for dimension 1 of shape [3, 4]" },
            {
                () => A[Tensor.From([0L, 3])],
                "index 3 at place 1 of an index tensor of shape [2] is out of range; there are 3"
            },
            { () => A[Tensor.From([-4L])], "index -4 at place 0" },
            { () => F.Embedding(A, Tensor.From([-1L])), "embedding: index -1 at place 0" },
            { () => F.CrossEntropy(A, Tensor.From([0L, 4, 0])), "cross_entropy: index 4 at place 1" },
            { () => A.Gather(0, Tensor.Full([1, 4], 3)), "gather: index 3 at place 0" },
            { () => A.Sum(2), "sum: dim is 2, but a tensor of shape [3, 4] allows -2 to 1" },
            { () => A.Softmax(-3), "softmax: dim is -3" },
            { () => A.Unsqueeze(4), "Unsqueeze: dim is 4, but a tensor of shape [3, 4] allows -3 to 2" },
            { () => A.Narrow(1, 3, 2), "length is 2, but from 3 on dimension 1 of shape [3, 4] allows 0 to 1" },
            { () => A.Size(2), "Size: dim is 2" },
            { () => new Linear(0, 3), "inputs" },
            { () => new SGD([Tensor.Zeros(1).RequiresGrad_()], -1), "lr is -1" },
            { () => new SGD([Tensor.Zeros(1).RequiresGrad_()], 0.1, momentum: -1), "momentum is -1" },
            { () => new Adam([Tensor.Zeros(1).RequiresGrad_()], betas: (2, 0.999)), "betas[0] is 2" },
            {
                () =>
                {
                    Tensor.SetNumThreads(0);
                    return 0;
                },
                "threads is 0, but this machine allows 1 to"
            },
        };

    [Theory]
    [MemberData(nameof(OutOfRange))]
    public void WhatIsOutOfRangeIsNamed(Func<object> run, string reason)
    {
        var error = Assert.ThrowsAny<Exception>(run);
        Assert.True(error is IndexOutOfRangeException or ArgumentOutOfRangeException, error.ToString());
        Assert.Contains(reason, error.Message);
    }

    public static TheoryData<Func<object>, string> OtherArguments =>
        new()
        {
            { () => Tensor.Zeros(-1, 2), "Zeros: the shape [-1, 2] has a negative size" },
            { () => Tensor.Zeros(1L << 40, 1L << 40), "has more elements than can be counted" },
            { () => Tensor.Cat([]), "cat: there must be at least one tensor" },
            { () => Tensor.Cat([Tensor.From(1f)]), "use Stack" },
            { () => A.Permute(0, 0), "dimension 0 is given twice" },
            { () => A.Sum([0, -2]), "dimension -2 is given twice" },
            { () => A.Reshape(-1, -1), "one size may be -1" },
            { () => A.Flatten(1, 0), "from 1 lies behind to 0" },
            { () => Tensor.Arange(0, 3, 0), "step is 0" },
            { () => Tensor.RandInt(3, 3, [1]), "no numbers from 3 up to 3" },
            { () => Tensor.Ones(3).Multinomial(4), "4 samples cannot be drawn from 3 categories without replacement" },
            { () => Tensor.Zeros(3).Multinomial(1), "not all 0" },
            { () => Tensor.From([1f, -1]).Multinomial(1), "not negative" },
            { () => new SGD((Tensor[])[], 0.1), "at least one parameter" },
            { () => new SGD([Tensor.Zeros(2)], 0.1), "is not; call RequiresGrad_()" },
        };

    [Theory]
    [MemberData(nameof(OtherArguments))]
    public void OtherArgumentsAreRefusedWithAReason(Func<object> run, string reason) =>
        Assert.Contains(reason, Assert.ThrowsAny<ArgumentException>(run).Message);

    [Fact]
    public void UseAfterDispose()
    {
        var t = Tensor.Zeros(2, 3);
        var view = t[0];
        t.Dispose();
        t.Dispose();
        Assert.True(t.IsDisposed);
        var error = Assert.Throws<ObjectDisposedException>(() => t + 1);
        Assert.Contains("f32 tensor of shape [2, 3] was disposed", error.Message);
        Assert.Contains("Keep()", error.Message);
        // The memory lives as long as a view of it does.
        Assert.Equal([0.0, 0, 0], view.ToDoubles());
    }

    [Fact]
    public void ItemNeedsOneElement()
    {
        Assert.Contains("[3, 4]", Assert.Throws<InvalidOperationException>(() => A.Item()).Message);
        Assert.Equal(0, Tensor.Zeros(1, 1).Item());
    }

    [Fact]
    public void DataFilesThatAreNotText()
    {
        string folder = Directory.CreateTempSubdirectory("picograd-test").FullName;
        try
        {
            string missing = Path.Combine(folder, "none.txt");
            string binary = Path.Combine(folder, "image.bin");
            string control = Path.Combine(folder, "control.txt");
            string few = Path.Combine(folder, "few.txt");
            File.WriteAllBytes(binary, [0x89, 0x50, 0xff, 0xfe, 0x00]);
            File.WriteAllText(control, "anna\0\nbob\n");
            File.WriteAllText(few, "anna\nbob\n");
            Refused(missing, "there is no such file");
            Refused(folder, "it is a folder");
            Refused(binary, "is not text in UTF-8");
            Refused(control, "control characters");
            Refused(few, "at least 10 words");
        }
        finally
        {
            Directory.Delete(folder, recursive: true);
        }

        static void Refused(string path, string reason)
        {
            string message = Assert.Throws<InvalidDataException>(() => CharDataset.Load(path)).Message;
            Assert.Contains($"'{path}'", message);
            Assert.Contains(reason, message);
        }
    }

    private static Tensor Batch(int n) => Tensor.Zeros(n, 3, 3);

    private static Tensor Set(Tensor t, Tensor value)
    {
        t[0] = value;
        return t;
    }
}
