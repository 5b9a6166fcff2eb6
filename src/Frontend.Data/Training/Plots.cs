using System.Text;
using ScottPlot;

namespace Picograd.Data;

/// <summary>Pictures of a training, as SVG or PNG by the file's ending.</summary>
public static class Plots
{
    /// <summary>Lines over the steps, such as losses; what is not finite is left out.</summary>
    /// <exception cref="ArgumentException">No values, or another ending.</exception>
    public static void Lines(
        string path,
        IEnumerable<(string Name, IReadOnlyList<double> Values)> lines,
        string title = "",
        string xLabel = "step",
        string yLabel = "loss",
        int width = 800,
        int height = 500
    )
    {
        ArgumentNullException.ThrowIfNull(lines);
        using var plot = new Plot();
        int drawn = 0;
        foreach (var (name, values) in lines)
        {
            int[] steps = [.. Enumerable.Range(0, values.Count).Where(i => double.IsFinite(values[i]))];
            if (steps.Length == 0)
                continue;
            var line = plot.Add.ScatterLine(
                steps.Select(i => (double)i).ToArray(),
                steps.Select(i => values[i]).ToArray()
            );
            line.LegendText = name;
            drawn++;
        }
        if (drawn == 0)
            throw new ArgumentException("Plots.Lines: there is no finite value to draw.");
        plot.Title(title);
        plot.XLabel(xLabel);
        plot.YLabel(yLabel);
        plot.ShowLegend();
        Save(plot, path, width, height);
    }

    /// <summary>The losses of one run.</summary>
    /// <inheritdoc cref="Lines"/>
    public static void Loss(string path, IReadOnlyList<double> losses, string title = "") =>
        Lines(path, [("loss", losses)], title);

    /// <summary>How the elements of tensors are spread, such as activations: the share of elements at each value.</summary>
    /// <param name="path">The file.</param>
    /// <param name="tensors">Tensors by name.</param>
    /// <param name="bins">Places that values are sorted into.</param>
    /// <param name="title">Above it.</param>
    /// <param name="width">Pixels.</param>
    /// <param name="height">Pixels.</param>
    /// <exception cref="ArgumentException">No finite elements, or another ending.</exception>
    public static void Histograms(
        string path,
        IEnumerable<(string Name, Tensor Values)> tensors,
        int bins = 60,
        string title = "",
        int width = 800,
        int height = 500
    )
    {
        ArgumentNullException.ThrowIfNull(tensors);
        ArgumentOutOfRangeException.ThrowIfLessThan(bins, 1);
        using var plot = new Plot();
        int drawn = 0;
        foreach (var (name, tensor) in tensors)
        {
            double[] values = [.. tensor.Detach().ToDoubles().Where(double.IsFinite)];
            if (values.Length == 0)
                continue;
            var (low, high) = (values.Min(), values.Max());
            double step = high > low ? (high - low) / bins : 1;
            var counts = new double[bins];
            foreach (double value in values)
                counts[Math.Min(bins - 1, (int)((value - low) / step))]++;
            // As a density, so that tensors of different sizes and spreads can be compared.
            var line = plot.Add.ScatterLine(
                counts.Select((_, i) => low + (i + 0.5) * step).ToArray(),
                counts.Select(c => c / values.Length / step).ToArray()
            );
            double mean = values.Average();
            double deviation = Math.Sqrt(values.Average(v => (v - mean) * (v - mean)));
            line.LegendText = FormattableString.Invariant($"{name}: {mean:G3} ± {deviation:G3}");
            drawn++;
        }
        if (drawn == 0)
            throw new ArgumentException("Plots.Histograms: there is no finite element to draw.");
        plot.Title(title);
        plot.XLabel("value");
        plot.YLabel("density");
        plot.ShowLegend();
        Save(plot, path, width, height);
    }

    /// <summary>How the gradients of a model's parameters are spread.</summary>
    /// <inheritdoc cref="Histograms"/>
    public static void Gradients(string path, Module module, int bins = 60)
    {
        ArgumentNullException.ThrowIfNull(module);
        Histograms(
            path,
            module.NamedParameters.Where(p => p.Parameter.Grad is not null).Select(p => (p.Name, p.Parameter.Grad!)),
            bins,
            "gradients"
        );
    }

    private static void Save(Plot plot, string path, int width, int height)
    {
        ArgumentException.ThrowIfNullOrEmpty(path);
        switch (Path.GetExtension(path).ToLowerInvariant())
        {
            case ".svg":
                string text = plot.GetSvgXml(width, height);
                FileBeside.Write(path, file => file.Write(Encoding.UTF8.GetBytes(text)));
                break;
            case ".png":
                byte[] bytes = plot.GetImageBytes(width, height, ImageFormat.Png);
                FileBeside.Write(path, file => file.Write(bytes));
                break;
            case var other:
                throw new ArgumentException($"Plots: '{other}' is no format that is drawn; .svg and .png are.");
        }
    }
}
