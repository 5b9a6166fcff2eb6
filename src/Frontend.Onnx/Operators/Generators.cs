namespace Picograd.Onnx.Operators;

/// <summary>Random numbers, of the generator that the module is given, and windows.</summary>
internal static class Generators
{
    public static void Add(Dictionary<string, Operation> table)
    {
        table.One("RandomNormal", c => Normal(c, c.Node.NeededInts("shape"), DType.Float32));
        table.One("RandomNormalLike", c => Normal(c, c[0].Shape.ToArray(), c[0].DType));
        table.One("RandomUniform", c => Uniform(c, c.Node.NeededInts("shape"), DType.Float32));
        table.One("RandomUniformLike", c => Uniform(c, c[0].Shape.ToArray(), c[0].DType));
        table.One("Bernoulli", c => (Tensor.Rand(c[0].Shape, c.Scope.Generator) < c[0]).To(Type(c, c[0].DType)));
        table.One(
            "Multinomial",
            c =>
                c[0]
                    .Softmax(-1)
                    .Multinomial(c.Node.Int("sample_size", 1), true, c.Scope.Generator)
                    .To(Type(c, DType.Int32))
        );
        table.One("HannWindow", c => Window(c, 0.5, -0.5, 0));
        table.One("HammingWindow", c => Window(c, 25.0 / 46, -21.0 / 46, 0));
        table.One("BlackmanWindow", c => Window(c, 0.42, -0.5, 0.08));
    }

    private static DType Type(Call call, DType otherwise) =>
        call.Node.Attribute("dtype") is null ? otherwise : Shapes.Type(call, "dtype");

    private static Tensor Normal(Call call, long[] shape, DType type) =>
        (Tensor.Randn(shape, call.Scope.Generator) * call.Node.Float("scale", 1) + call.Node.Float("mean", 0)).To(
            Type(call, type)
        );

    private static Tensor Uniform(Call call, long[] shape, DType type)
    {
        double low = call.Node.Float("low", 0);
        return (Tensor.Rand(shape, call.Scope.Generator) * (call.Node.Float("high", 1) - low) + low).To(
            Type(call, type)
        );
    }

    private static Tensor Window(Call call, double constant, double first, double second)
    {
        long size = call[0].To(DType.Int64).Reshape().Item<long>();
        double length = call.Node.Int("periodic", 1) != 0 ? size : size - 1;
        var type = call.Node.Attribute("output_datatype") is null
            ? DType.Float32
            : Shapes.Type(call, "output_datatype");
        var angle = Tensor.Arange(size).To(DType.Float64) * (2 * Math.PI / length);
        return (constant + angle.Cos() * first + (angle * 2).Cos() * second).To(type);
    }
}
