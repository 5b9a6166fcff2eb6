using System.Globalization;
using System.Text;
using Google.Protobuf;
using SkiaSharp;

namespace Picograd.Data;

// What TensorBoard has plugins for.
public sealed partial class SummaryWriter
{
    // Which format of GraphDef it is.
    private const long GraphProducer = 22;

    /// <summary>Precision and recall of predictions at evenly spaced thresholds.</summary>
    /// <param name="tag">Its name.</param>
    /// <param name="labels">0 and 1, or bools.</param>
    /// <param name="predictions">From 0 to 1, as many.</param>
    /// <param name="step">When.</param>
    /// <param name="numThresholds">At least 2.</param>
    /// <exception cref="ArgumentException">Not as many of both, none, or predictions beyond 0 and 1.</exception>
    public void AddPrCurve(string tag, Tensor labels, Tensor predictions, long step = 0, int numThresholds = 127)
    {
        ArgumentOutOfRangeException.ThrowIfLessThan(numThresholds, 2);
        double[] truths = Given(labels).Detach().ToDoubles();
        double[] scores = Given(predictions).Detach().ToDoubles();
        if (truths.Length != scores.Length || truths.Length == 0 || scores.Any(s => !(s is >= 0 and <= 1)))
            throw new ArgumentException(
                $"AddPrCurve: '{tag}' has {truths.Length} labels and {scores.Length} predictions; there must be as many, at least one, and predictions from 0 to 1."
            );
        // How many positives and negatives lie in each bucket, then at or above each.
        var (tp, fp) = (new double[numThresholds], new double[numThresholds]);
        for (int i = 0; i < scores.Length; i++)
        {
            int bucket = (int)Math.Floor(scores[i] * (numThresholds - 1));
            tp[bucket] += truths[i];
            fp[bucket] += 1 - truths[i];
        }
        for (int i = numThresholds - 2; i >= 0; i--)
            (tp[i], fp[i]) = (tp[i] + tp[i + 1], fp[i] + fp[i + 1]);
        const double Least = 1e-7;
        double[] tn = [.. fp.Select(f => fp[0] - f)];
        double[] fn = [.. tp.Select(t => tp[0] - t)];
        double[] precision = [.. tp.Select((t, i) => t / Math.Max(Least, t + fp[i]))];
        double[] recall = [.. tp.Select((t, i) => t / Math.Max(Least, t + fn[i]))];
        AddValue(
            tag,
            step,
            o =>
            {
                Message(
                    o,
                    8,
                    t =>
                    {
                        // DT_FLOAT.
                        Field(t, 1, 1L);
                        Message(
                            t,
                            2,
                            s =>
                            {
                                Message(s, 2, d => Field(d, 1, 6L));
                                Message(s, 2, d => Field(d, 1, numThresholds));
                            }
                        );
                        Message(
                            t,
                            5,
                            v =>
                            {
                                foreach (
                                    double number in (double[])[.. tp, .. fp, .. tn, .. fn, .. precision, .. recall]
                                )
                                    v.WriteFloat((float)number);
                            }
                        );
                    }
                );
                Message(
                    o,
                    9,
                    m =>
                        Message(
                            m,
                            1,
                            p =>
                            {
                                Field(p, 1, "pr_curves");
                                Message(p, 2, c => Field(c, 2, numThresholds));
                            }
                        )
                );
            }
        );
    }

    /// <summary>Vectors, with labels and pictures, for the projector: files in a folder of their own beside the events.</summary>
    /// <param name="mat">[n, d].</param>
    /// <param name="metadata">A label for each vector; of several columns, tabs between, with a first row of names.</param>
    /// <param name="labelImg">Pictures [n, channels, h, w]; null for none.</param>
    /// <param name="step">When.</param>
    /// <param name="tag">Its name.</param>
    /// <exception cref="ArgumentException">Not a matrix, or not as many labels or pictures.</exception>
    public void AddEmbedding(
        Tensor mat,
        IEnumerable<string>? metadata = null,
        Tensor? labelImg = null,
        long step = 0,
        string tag = "default"
    )
    {
        ArgumentException.ThrowIfNullOrEmpty(tag);
        if (Given(mat).Rank != 2)
            throw new ArgumentException($"AddEmbedding: vectors are [n, d], but the shape is {mat.Shape}.");
        string[]? labels = metadata?.ToArray();
        // A row of names is one more.
        bool hasNames = labels?.Length > 0 && labels[0].Contains('\t', StringComparison.Ordinal);
        if (labels is not null && labels.Length != mat.Shape[0] + (hasNames ? 1 : 0))
            throw new ArgumentException(
                $"AddEmbedding: there are {labels.Length} labels for {mat.Shape[0]} vectors{(hasNames ? " and a row of names" : "")}."
            );
        if (labelImg is not null && (labelImg.Rank != 4 || labelImg.Shape[0] != mat.Shape[0]))
            throw new ArgumentException(
                $"AddEmbedding: pictures are [{mat.Shape[0]}, channels, h, w], but the shape is {labelImg.Shape}."
            );
        string number = step.ToString("00000", CultureInfo.InvariantCulture);
        string place = $"{number}/{tag}";
        string folder = Path.GetDirectoryName(FilePath)!;
        Directory.CreateDirectory(Path.Combine(folder, place));
        double[] values = mat.Detach().ToDoubles();
        int width = (int)mat.Shape[1];
        var rows = new StringBuilder();
        for (int i = 0; i < mat.Shape[0]; i++)
            rows.AppendJoin(
                    '\t',
                    values
                        .Skip(i * width)
                        .Take(width)
                        .Select(v => ((float)v).ToString("R", CultureInfo.InvariantCulture))
                )
                .Append('\n');
        Text($"{place}/tensors.tsv", rows.ToString());
        var config = new StringBuilder("embeddings {\n");
        config.Append(CultureInfo.InvariantCulture, $"tensor_name: \"{tag}:{number}\"\n");
        config.Append(CultureInfo.InvariantCulture, $"tensor_path: \"{place}/tensors.tsv\"\n");
        if (labels is not null)
        {
            Text($"{place}/metadata.tsv", string.Join('\n', labels) + '\n');
            config.Append(CultureInfo.InvariantCulture, $"metadata_path: \"{place}/metadata.tsv\"\n");
        }
        if (labelImg is not null)
        {
            byte[] png = ImageFile.Encoded(Sprite(labelImg), SKEncodedImageFormat.Png, 100);
            FileBeside.Write(Path.Combine(folder, place, "sprite.png"), f => f.Write(png));
            config.Append("sprite {\n");
            config.Append(CultureInfo.InvariantCulture, $"image_path: \"{place}/sprite.png\"\n");
            config.Append(
                CultureInfo.InvariantCulture,
                $"single_image_dim: {labelImg.Shape[3]}\nsingle_image_dim: {labelImg.Shape[2]}\n}}\n"
            );
        }
        string path = Path.Combine(folder, "projector_config.pbtxt");
        string before = File.Exists(path) ? File.ReadAllText(path) : "";
        Text("projector_config.pbtxt", before + config.Append("}\n"));

        void Text(string name, string text) =>
            FileBeside.Write(Path.Combine(folder, name), f => f.Write(Encoding.UTF8.GetBytes(text)));
    }

    // Rows of as many pictures as there are rows.
    private static Tensor Sprite(Tensor pictures)
    {
        using var off = Tensor.NoGrad();
        var all = pictures.Detach();
        long across = (long)Math.Ceiling(Math.Sqrt(all.Shape[0]));
        var (channels, height, width) = (all.Shape[1], all.Shape[2], all.Shape[3]);
        long missing = across * across - all.Shape[0];
        if (missing > 0)
            all = Tensor.Cat([all, Tensor.Zeros([missing, channels, height, width], all.DType, all.Device)]);
        return all.Reshape(across, across, channels, height, width)
            .Permute(2, 0, 3, 1, 4)
            .Reshape(channels, across * height, across * width);
    }

    /// <summary>How a model computes: a vertex for each operator of one forward pass, as it was recorded.</summary>
    /// <exception cref="ArgumentException">Nothing of it requires a gradient, so nothing is recorded.</exception>
    public void AddGraph(Module model, Tensor inputToModel)
    {
        ArgumentNullException.ThrowIfNull(model);
        Tensor result;
        using (Tensor.EnableGrad())
            result = model.Call(Given(inputToModel).Detach());
        if (!result.RequiresGrad)
            throw new ArgumentException("AddGraph: nothing in the model requires a gradient, so nothing was recorded.");
        var names = new Dictionary<Tensor, string>();
        foreach (var (name, parameter) in model.NamedParameters)
            names[parameter] = name.Replace('.', '/');
        var graph = ExpressionGraph.Of(result);
        var labels = new Dictionary<int, string>();
        var used = new HashSet<string>();
        foreach (var vertex in graph.Vertices)
        {
            string label =
                vertex.Value is { } value && names.TryGetValue(value, out string? known) ? known
                : vertex.Name.Length > 0 ? vertex.Name
                : vertex.Operator.Length > 0 ? vertex.Operator
                : "input";
            label = new string([
                .. label.Select(c => char.IsAsciiLetterOrDigit(c) || c is '/' or '_' or '.' ? c : '_'),
            ]);
            string own = label;
            for (int i = 1; !used.Add(own); i++)
                own = $"{label}_{i}";
            labels[vertex.Id] = own;
        }
        byte[] bytes = Bytes(g =>
        {
            foreach (var vertex in graph.Vertices)
                Message(
                    g,
                    1,
                    n =>
                    {
                        Field(n, 1, labels[vertex.Id]);
                        Field(n, 2, vertex.Operator.Length > 0 ? vertex.Operator : "Parameter");
                        foreach (int input in vertex.Inputs)
                            Field(n, 3, labels[input]);
                        // _output_shapes: a list of one shape.
                        Message(
                            n,
                            5,
                            a =>
                            {
                                Field(a, 1, "_output_shapes");
                                Message(
                                    a,
                                    2,
                                    v =>
                                        Message(
                                            v,
                                            1,
                                            l =>
                                                Message(
                                                    l,
                                                    7,
                                                    s =>
                                                    {
                                                        foreach (long size in vertex.Shape)
                                                            Message(s, 2, d => Field(d, 1, size));
                                                    }
                                                )
                                        )
                                );
                            }
                        );
                    }
                );
            Message(g, 4, v => Field(v, 1, GraphProducer));
        });
        WriteEvent(
            null,
            o =>
            {
                o.WriteTag(4, WireFormat.WireType.LengthDelimited);
                o.WriteBytes(ByteString.CopyFrom(bytes));
            }
        );
    }
}
