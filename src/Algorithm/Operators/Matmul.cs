using System.Collections.Immutable;

namespace Picograd.Algorithms.Operators;

/// <summary>
/// C[b, m, n] = act(Σ_k A[b, m, k] · B[b, k, n] + bias[n]). With ta A is stored as [k, m], with tb B as [n, k]. Integers wrap. 16-bit
/// operands are multiplied and summed in f32, and rounded once, at the end. With tf32 the operands' mantissas are cut to 10
/// bits first, as tensor cores read them (<see cref="Op.Tf32"/>): up to 2⁻¹⁰ of each operand is lost, which is part of what the
/// operator means, so that its error bound is that of f32 sums.
/// </summary>
internal static class Matmul
{
    public static OperatorDefinition Definition { get; } =
        new(
            "matmul",
            "matrix product, optionally of a batch, with bias and activation",
            [
                OperatorKey.Dimension("m", "rows of the result"),
                OperatorKey.Dimension("n", "columns of the result"),
                OperatorKey.Dimension("k", "length of the dot products"),
                OperatorKey.Flag("ta", "A is stored transposed, [k, m]"),
                OperatorKey.Flag("tb", "B is stored transposed, [n, k]"),
                new OperatorKey("batch", KeyKind.Dimension, "number of products") { Default = "1" },
                OperatorKey.Choice("bcast", "operand that all products of the batch share", "none", "a", "b"),
                OperatorKey.Flag("bias", "add a vector [n] to every row"),
                OperatorKey.Choice("act", "activation", "none", "relu", "tanh", "sigmoid", "gelu", "silu"),
                OperatorKey.Types(DTypes.Numbers),
                OperatorKey.Flag("tf32", "of f32 operands the last 13 bits are cut off before they are multiplied"),
            ],
            Build
        )
        {
            Example = "matmul m=5 n=7 k=3",
            Operands = "A[batch?, m, k]~, B[batch?, k, n]~, bias[n]? -> C[batch?, m, n]",
            Opens = Opens,
            // Few rows are held in registers at once, whatever their schedule: 8 × 4096 × 4096 takes 2.8 times as long in tiles of many.
            FewestOpen = key => key == "m" ? 9 : 2,
            Check = s =>
                s.Choice("bcast") != "none" && s.Dim("batch") == 1 ? "bcast needs batch greater than 1"
                : s.Flag("tf32") && s.Type() != DType.Float32
                    ? $"tf32=1 rounds f32 operands, and dtype is {s.Type().Name()}"
                : s.Choice("act") != "none" && !s.Type().IsFloat()
                    ? $"act={s.Choice("act")} is a function of floats, and dtype is {s.Type().Name()}"
                : null,
        };

    // How many rows there are is nobody's choice (a batch and what is left of it, prompts, beams), and rows are what register tiles
    // can be cut from for any number; columns and terms are those of weights; terms in batches are lengths of sequences, and so are
    // columns and terms of one row: text generation, where the keys grow by one a token. Few columns are tiled by their number, and
    // dot products of one row along memory by their length.
    private static bool Opens(OperatorSpec s, string key) =>
        key switch
        {
            "m" or "batch" => true,
            "n" => s.Dim("m") == 1 && s.Dim("n") > 64,
            "k" => s.Dim("m") == 1 ? !s.Flag("tb") : s.Dim("batch") > 1,
            _ => false,
        };

    private static Algorithm Build(OperatorSpec spec)
    {
        var type = spec.Type();
        var compute = Elementwise.ComputeType(type);
        var (m, n, k) = (
            new Axis("m", spec.Extent("m")),
            new Axis("n", spec.Extent("n")),
            new Axis("k", spec.Extent("k"))
        );
        Axis[] batch = spec.Extent("batch") is IntImm { Value: 1 } ? [] : [new Axis("b", spec.Extent("batch"))];
        var g = spec.Builder();

        Expr Operand(string name, bool shared, Axis row, Axis column, bool transposed)
        {
            Axis[] axes = [.. shared ? [] : batch, .. transposed ? (Axis[])[column, row] : [row, column]];
            var buffer = g.Input(name, type, [.. axes.Select(a => a.Extent)]);
            var value = Op.Cast(compute, buffer[[.. axes.Select(a => (Expr)a.Var)]]);
            return spec.Flag("tf32") ? Op.Tf32(value) : value;
        }

        var a = Operand("A", spec.Choice("bcast") == "a", m, k, spec.Flag("ta"));
        var b = Operand("B", spec.Choice("bcast") == "b", k, n, spec.Flag("tb"));
        Buffer? bias = spec.Flag("bias") ? g.Input("bias", type, n.Extent) : null;

        Axis[] space = [.. batch, m, n];
        string act = spec.Choice("act");
        bool epilogue = bias is not null || act != "none" || compute != type;
        var product = g.Stage(epilogue ? "P" : "C", space, AlgorithmBuilder.Sum(k, a * b));
        if (!epilogue)
            return g.Build(product);
        Expr value = product[[.. space.Select(x => (Expr)x.Var)]];
        if (bias is not null)
            value += Op.Cast(compute, bias[n]);
        if (act != "none")
            value = Elementwise.Function(act, value);
        return g.Build(g.Stage("C", space, Op.Cast(type, value)));
    }
}
