namespace Picograd.Onnx.Operators;

/// <summary>Losses over classes, which are the second dimension.</summary>
internal static class Losses
{
    public static void Add(Dictionary<string, Operation> table)
    {
        table.One("NegativeLogLikelihoodLoss", c => Loss(c, c[0]));
        table["SoftmaxCrossEntropyLoss"] = c =>
        {
            var logarithms = c[0].LogSoftmax(1);
            return [Loss(c, logarithms), logarithms];
        };
    }

    private static Tensor Loss(Call call, Tensor logarithms)
    {
        var target = call[1].To(DType.Int64);
        bool ignores = call.Node.Attribute("ignore_index") is not null;
        long ignored = call.Node.Int("ignore_index", 0);
        var isKept = ignores ? target.Ne((Tensor)ignored) : Tensor.Ones(target.Shape, DType.Bool, target.Device);
        var places = Tensor.Where(isKept, target, 0).To(DType.Int64);
        var loss = -logarithms.Gather(1, places.Unsqueeze(1)).Squeeze(1);
        var weights = call.Given(2) is { } given
            ? given.IndexSelect(0, places.Reshape(-1)).Reshape(places.Shape)
            : Tensor.Ones(target.Shape, logarithms.DType, target.Device);
        weights = Tensor.Where(isKept, weights, 0).To(logarithms.DType);
        loss = loss * weights;
        return call.Node.Text("reduction", "mean") switch
        {
            "none" => loss,
            "sum" => loss.Sum(),
            _ => loss.Sum() / weights.Sum(),
        };
    }
}
