using System.Xml.Linq;
using Xunit;

namespace Picograd.Tests;

public class ExpressionGraphTests
{
    // The neuron of a course from zero.
    private static Tensor Neuron(out Tensor w1)
    {
        Tensor Number(double value, string name) => Tensor.From(value).RequiresGrad_().Named(name);
        var (x1, x2) = (Number(2, "x1"), Number(0, "x2"));
        w1 = Number(-3, "w1");
        var (w2, b) = (Number(1, "w2"), Number(6.8813735870195432, "b"));
        return ((x1 * w1).Named("x1*w1") + x2 * w2 + b).Named("n").Tanh().Named("o");
    }

    [Fact]
    public void Values_and_gradients_at_each_vertex()
    {
        using var record = ExpressionGraph.Record();
        var o = Neuron(out var w1);
        o.Backward(retainGraph: true);
        var graph = ExpressionGraph.Of(o);
        var byName = graph.Vertices.Where(v => v.Name.Length > 0).ToDictionary(v => v.Name);
        Assert.Equal(0.7071, byName["o"].Value!.Item(), 1e-4);
        Assert.Equal(1, byName["o"].Gradient!.Item());
        Assert.Equal("tanh", byName["o"].Operator);
        Assert.Equal(0.5, byName["n"].Gradient!.Item(), 1e-9);
        Assert.Equal("+", byName["n"].Operator);
        Assert.Equal(1.0, byName["w1"].Gradient!.Item(), 1e-9);
        Assert.Equal(-1.5, byName["x1"].Gradient!.Item(), 1e-9);
        Assert.Equal(-6, byName["x1*w1"].Value!.Item());
        Assert.Equal("*", byName["x1*w1"].Operator);
        Assert.All(graph.Vertices, v => Assert.All(v.Inputs, i => Assert.InRange(i, 0, v.Id - 1)));
        Assert.All(graph.Vertices, v => Assert.NotNull(v.Value));
        Assert.Equal(5 + 5, graph.Vertices.Count);
        Assert.Equal("w1", w1.Name);

        string dot = graph.ToDot();
        Assert.Contains("rankdir=LR", dot);
        Assert.Contains("w1 | data -3.0000 | grad 1.0000", dot);
        var svg = XDocument.Parse(graph.ToSvg());
        var texts = svg.Descendants().Where(e => e.Name.LocalName == "text").Select(e => e.Value).ToList();
        Assert.Contains("grad -1.5000", texts);
        Assert.Contains("tanh", texts);
        Assert.Equal(graph.Vertices.Count + 1, svg.Descendants().Count(e => e.Name.LocalName == "rect"));
        // Left to right.
        double Left(string name) =>
            double.Parse(
                svg.Descendants().First(e => e.Name.LocalName == "text" && e.Value == name).Attribute("x")!.Value,
                System.Globalization.CultureInfo.InvariantCulture
            );
        Assert.True(Left("w1") < Left("x1*w1") && Left("x1*w1") < Left("n") && Left("n") < Left("o"));
    }

    [Fact]
    public void What_was_not_kept_and_numbers_are_shown_as_such()
    {
        var x = Tensor.From([1.0, 2.0]).RequiresGrad_();
        var y = ((x + x) - 3 + Tensor.From([5.0, 5.0])).Sum();
        var graph = ExpressionGraph.Of(y);
        Assert.Contains(graph.Vertices, v => v.Name == "3" && v.Operator == "");
        Assert.Contains(graph.Vertices, v => v.Operator == "+" && v.Value is null);
        Assert.Contains("not kept", graph.ToDot());
        Assert.Equal(y, graph.Vertices[^1].Value);
        Assert.Throws<ArgumentException>(() => ExpressionGraph.Of(Tensor.From(1.0)));
        string file = Path.Combine(Path.GetTempPath(), $"picograd-graph-{Environment.ProcessId}.svg");
        graph.Save(file);
        Assert.StartsWith("<svg", File.ReadAllText(file));
        File.Delete(file);
        Assert.Throws<ArgumentException>(() => graph.Save("graph.png"));
    }
}
