// Says what is in a picture with Tiny Darknet (Redmon), trained on ImageNet.
using System.CommandLine;
using Picograd;
using Picograd.Data;
using Picograd.Examples;

var picture = new Argument<string>("picture") { Description = "A picture of any size: PNG, JPEG, WebP, BMP" };
var top = Example.Option("--top", 5, "How many names to print");
var command = new RootCommand("Says what is in a picture (darknet-tiny-imagenet.safetensors): 1,000 kinds of things.")
{
    picture,
    Example.Data,
    top,
};
return Example.Run(
    command,
    args,
    parsed =>
    {
        string[] names = File.ReadAllLines(Example.File(parsed, "darknet-imagenet-labels.txt"));
        var model = DarknetTiny.Load(Example.File(parsed, "darknet-tiny-imagenet.safetensors"));
        var image = ImageFile.Load(parsed.GetValue(picture)!);
        using var off = Tensor.NoGrad();
        var input = Transforms.Resize(224, 224)(Transforms.ToFloat()(image)).Unsqueeze(0);
        var (values, indices) = model.Forward(input).Softmax(-1)[0].TopK(parsed.Within(top, 1, names.Length));
        foreach (var (share, kind) in values.ToDoubles().Zip(indices.ToArray<long>()))
            Console.WriteLine($"{share, 8:P2}  {names[kind]}");
    }
);

/// <summary>Sixteen convolutions, each but the last with a batch norm and a leaky ReLU; four halvings; the mean over all places.</summary>
public sealed class DarknetTiny : Module
{
    // Channels, and the size of the window; a pooling halves the picture after some of them.
    private static readonly (int Channels, int Window)[] s_layers =
    [
        (16, 3),
        (32, 3),
        (16, 1),
        (128, 3),
        (16, 1),
        (128, 3),
        (32, 1),
        (256, 3),
        (32, 1),
        (256, 3),
        (64, 1),
        (512, 3),
        (64, 1),
        (512, 3),
        (128, 1),
        (1000, 1),
    ];
    private static readonly int[] s_pooled = [1, 2, 6, 10];

    private readonly Conv2d[] _conv;
    private readonly BatchNorm2d[] _norm;

    public DarknetTiny()
    {
        int channels = 3;
        var (conv, norm) = (new List<Conv2d>(), new List<BatchNorm2d>());
        foreach (var (wide, window) in s_layers)
        {
            bool isLast = conv.Count == s_layers.Length - 1;
            conv.Add(new Conv2d(channels, wide, window, padding: window / 2, bias: isLast));
            if (!isLast)
                norm.Add(new BatchNorm2d(wide, eps: 1e-3));
            channels = wide;
        }
        (_conv, _norm) = ([.. conv], [.. norm]);
    }

    /// <summary>Logits [n, 1000] of pictures [n, 3, height, width] from 0 to 1.</summary>
    public override Tensor Forward(Tensor x)
    {
        for (int i = 0; i < _norm.Length; i++)
        {
            x = F.LeakyRelu(_norm[i].Forward(_conv[i].Forward(x)), 0.1);
            if (s_pooled.Contains(i + 1))
                x = F.MaxPool2d(x, 2, 2);
        }
        return _conv[^1].Forward(x).Mean([2, 3]);
    }

    /// <summary>Reads Keras's file, whose kernels are [height, width, in, out].</summary>
    public static DarknetTiny Load(string path)
    {
        var file = Safetensors.Load(path);
        var state = new OrderedDictionary<string, Tensor>();
        for (int i = 0; i < s_layers.Length; i++)
        {
            state[$"conv.{i}.weight"] = file[$"conv2d_{i + 1}/kernel"].Permute(3, 2, 0, 1);
            if (i == s_layers.Length - 1)
                state[$"conv.{i}.bias"] = file[$"conv2d_{i + 1}/bias"];
            else
                foreach (
                    var (ours, theirs) in new[]
                    {
                        ("weight", "gamma"),
                        ("bias", "beta"),
                        ("running_mean", "moving_mean"),
                        ("running_var", "moving_variance"),
                    }
                )
                    state[$"norm.{i}.{ours}"] = file[$"batch_normalization_{i + 1}/{theirs}"];
        }
        var model = new DarknetTiny();
        // Not strict: Keras does not count batches.
        model.LoadStateDict(state, strict: false);
        model.Eval();
        return model;
    }
}
