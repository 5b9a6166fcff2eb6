// The parts of Stable Diffusion 1 (Rombach and others, 2022) with the names of its public checkpoint: the text encoder of CLIP, the
// U-Net, the decoder of the autoencoder, and DDIM with guidance. The weights are not part of the data here; without them the command
// says how large the parts are.
using System.CommandLine;
using Picograd;
using Picograd.Data;
using Picograd.Examples;

var info = new Command("info", "How many parameters the parts have");
info.Does(_ =>
{
    // Shapes without memory.
    using var meta = Device.Meta.Scope();
    Console.WriteLine($"U-Net {new UNet(UNetConfig.StableDiffusion1).ParameterCount}");
    Console.WriteLine($"decoder {new AutoencoderDecoder(128, 4, [1, 2, 4, 4], 2).ParameterCount}");
    Console.WriteLine($"text encoder {new ClipText(49408, 77, 768, 12, 12).ParameterCount}");
});
var checkpoint = new Argument<string>("checkpoint")
{
    Description =
        "File of the whole model with the names of CompVis (model.diffusion_model.input_blocks.0.0.weight, …)",
};
var prompt = new Argument<string>("prompt") { Description = "What is to be seen" };
var output = Example.Option("--out", "picture.png", "File for the picture");
var steps = Example.Option("--steps", 30, "Steps of DDIM");
var guidance = Example.Option("--guidance", 7.5, "How much the prompt counts; 1 as it was trained");
var size = Example.Option("--size", 512, "Pixels of a side, a multiple of 64");
var draw = new Command("draw", "Draws a picture")
{
    checkpoint,
    prompt,
    Example.Data,
    output,
    steps,
    guidance,
    size,
    Example.Seed,
};
draw.Does(Draw);
return new RootCommand("Stable Diffusion 1.") { info, draw }.Run(args);

void Draw(ParseResult parsed)
{
    if (parsed.Within(size, 64, 2048) % 64 != 0)
        throw new UsageException("--size must be a multiple of 64.");
    var tokenizer = Tokenizers.Clip(Example.File(parsed, "clip-bpe_simple_vocab_16e6.txt.gz"));
    var file = Safetensors.Load(parsed.GetValue(checkpoint)!);
    var text = Parts.Load(file, new ClipText(49408, 77, 768, 12, 12), "cond_stage_model.transformer.");
    var unet = Parts.Load(file, new UNet(UNetConfig.StableDiffusion1), "model.diffusion_model.");
    var decoder = Parts.Load(file, new AutoencoderDecoder(128, 4, [1, 2, 4, 4], 2), "first_stage_model.");

    using var off = Tensor.NoGrad();
    // With nothing and with the prompt, side by side.
    var words = Tensor.Stack([
        Tokenizers.ClipIds(tokenizer, ""),
        Tokenizers.ClipIds(tokenizer, parsed.GetValue(prompt)!),
    ]);
    var seen = text.Forward(words);
    long side = parsed.GetValue(size) / 8;
    var x = Tensor.Randn([1, 4, side, side], new Generator(parsed.GetValue(Example.Seed)));
    int count = parsed.Within(steps, 1, 1000);
    // What is left of the picture after each of a thousand steps; β grows as the square of a line.
    double[] left = (1 - Tensor.Linspace(Math.Sqrt(0.00085), Math.Sqrt(0.012), 1000, DType.Float64).Square())
        .CumProd(0)
        .ToDoubles();
    using (var progress = new ProgressLine(count, "ddim"))
    {
        for (int i = count; i > 0; i--)
        {
            using var scope = Tensor.Scope();
            int t = i * 1000 / count - 1,
                s = (i - 1) * 1000 / count - 1;
            var both = unet.Forward(x.Repeat(2, 1, 1, 1), Tensor.Full([2], t, DType.Int64), seen);
            var noise = both[..1] + parsed.GetValue(guidance) * (both[1..] - both[..1]);
            double here = left[t],
                next = s >= 0 ? left[s] : 1;
            var picture = (x - Math.Sqrt(1 - here) * noise) / Math.Sqrt(here);
            x = (Math.Sqrt(next) * picture + Math.Sqrt(1 - next) * noise).Keep();
            progress.Step();
        }
    }
    ImageFile.Save(((decoder.Forward(x / 0.18215) + 1) / 2).Clamp(0, 1)[0], parsed.GetValue(output)!);
}

/// <summary>The parts of a checkpoint.</summary>
public static class Parts
{
    /// <summary>Fills a module with the tensors whose names begin with a prefix; those that it does not have are left out.</summary>
    /// <exception cref="InvalidDataException">The module has tensors that the checkpoint has not.</exception>
    public static T Load<T>(IReadOnlyDictionary<string, Tensor> checkpoint, T module, string prefix)
        where T : Module
    {
        var part = checkpoint
            .Where(t => t.Key.StartsWith(prefix, StringComparison.Ordinal))
            .ToDictionary(t => t.Key[prefix.Length..], t => t.Value);
        var missing = module.LoadStateDict(part, strict: false).MissingKeys;
        if (missing.Count > 0)
            throw new InvalidDataException(
                $"the checkpoint lacks {missing.Count} tensors of {typeof(T).Name}: {string.Join(", ", missing.Take(3).Select(k => $"'{prefix}{k}'"))}{(missing.Count > 3 ? ", …" : "")}."
            );
        module.Eval();
        return module;
    }
}

/// <summary>Sizes of a U-Net; attention stands at the levels that are named.</summary>
public sealed record UNetConfig(
    int Channels,
    int Latent,
    int[] Factors,
    int[] Attention,
    int Blocks,
    int Heads,
    int Context
)
{
    public static UNetConfig StableDiffusion1 { get; } = new(320, 4, [1, 2, 4, 4], [0, 1, 2], 2, 8, 768);
}

/// <summary>Guesses the noise in latent pictures, given the step and the words.</summary>
public sealed class UNet : Module
{
    private readonly int _channels;
    private readonly Sequential _timeEmbed;
    private readonly ModuleList[] _inputBlocks;
    private readonly ModuleList _middleBlock;
    private readonly ModuleList[] _outputBlocks;
    private readonly Sequential _out;

    public UNet(UNetConfig c)
    {
        int ch = _channels = c.Channels,
            time = 4 * c.Channels;
        _timeEmbed = new Sequential(new Linear(ch, time), new SiLU(), new Linear(time, time));
        var (down, up, skips) = (new List<ModuleList>(), new List<ModuleList>(), new Stack<int>());
        down.Add(new ModuleList(new Conv2d(c.Latent, ch, 3, padding: 1)));
        skips.Push(ch);
        for (int level = 0; level < c.Factors.Length; level++)
        {
            for (int block = 0; block < c.Blocks; block++)
            {
                down.Add(Block(ch, c.Channels * c.Factors[level], level));
                skips.Push(ch = c.Channels * c.Factors[level]);
            }
            if (level == c.Factors.Length - 1)
                break;
            down.Add(new ModuleList(new Halving(ch)));
            skips.Push(ch);
        }
        _middleBlock = new ModuleList(
            new TimeBlock(ch, ch, time),
            new SpatialTransformer(ch, c.Heads, c.Context),
            new TimeBlock(ch, ch, time)
        );
        for (int level = c.Factors.Length - 1; level >= 0; level--)
        for (int block = 0; block <= c.Blocks; block++)
        {
            var parts = Block(ch + skips.Pop(), c.Channels * c.Factors[level], level);
            ch = c.Channels * c.Factors[level];
            if (level > 0 && block == c.Blocks)
                parts.Append(new Doubling(ch));
            up.Add(parts);
        }
        (_inputBlocks, _outputBlocks) = ([.. down], [.. up]);
        _out = new Sequential(new GroupNorm(32, ch), new SiLU(), new Conv2d(ch, c.Latent, 3, padding: 1));

        ModuleList Block(int from, int to, int level)
        {
            var parts = new ModuleList(new TimeBlock(from, to, time));
            if (c.Attention.Contains(level))
                parts.Append(new SpatialTransformer(to, c.Heads, c.Context));
            return parts;
        }
    }

    /// <summary>The noise [n, 4, h, w] in pictures of that shape after the steps [n], given words [n, t, context].</summary>
    public Tensor Forward(Tensor x, Tensor step, Tensor words)
    {
        var frequencies = (Tensor.Arange(_channels / 2).Float() * (-Math.Log(10_000) / (_channels / 2))).Exp();
        var angles = step.Float().Unsqueeze(1) * frequencies;
        var time = _timeEmbed.Forward(Tensor.Cat([angles.Cos(), angles.Sin()], 1));
        var skips = new Stack<Tensor>();
        foreach (var block in _inputBlocks)
            skips.Push(x = Run(block, x, time, words));
        x = Run(_middleBlock, x, time, words);
        foreach (var block in _outputBlocks)
            x = Run(block, Tensor.Cat([x, skips.Pop()], 1), time, words);
        return _out.Forward(x);
    }

    private static Tensor Run(ModuleList parts, Tensor x, Tensor time, Tensor words)
    {
        foreach (var part in parts)
            x = part switch
            {
                TimeBlock block => block.Forward(x, time),
                SpatialTransformer transformer => transformer.Forward(x, words),
                _ => part.Forward(x),
            };
        return x;
    }

    private sealed class TimeBlock(int from, int to, int time) : Module
    {
        private readonly Sequential _inLayers = new(
            new GroupNorm(32, from),
            new SiLU(),
            new Conv2d(from, to, 3, padding: 1)
        );
        private readonly Sequential _embLayers = new(new SiLU(), new Linear(time, to));
        private readonly Sequential _outLayers = new(
            new GroupNorm(32, to),
            new SiLU(),
            new Dropout(0),
            new Conv2d(to, to, 3, padding: 1)
        );
        private readonly Conv2d? _skipConnection = from == to ? null : new(from, to, 1);

        public Tensor Forward(Tensor x, Tensor about)
        {
            var y = _inLayers.Forward(x) + _embLayers.Forward(about).Unsqueeze(-1).Unsqueeze(-1);
            return (_skipConnection?.Forward(x) ?? x) + _outLayers.Forward(y);
        }
    }

    private sealed class Halving(int channels) : Module
    {
        private readonly Conv2d _op = new(channels, channels, 3, stride: 2, padding: 1);

        public override Tensor Forward(Tensor x) => _op.Forward(x);
    }

    private sealed class Doubling(int channels) : Module
    {
        private readonly Conv2d _conv = new(channels, channels, 3, padding: 1);

        public override Tensor Forward(Tensor x) => _conv.Forward(F.Interpolate(x, scaleFactor: 2, mode: "nearest"));
    }
}

/// <summary>Places of a picture see each other, then the words; a gated layer for each.</summary>
public sealed class SpatialTransformer : Module
{
    private readonly GroupNorm _norm;
    private readonly Conv2d _projIn;
    private readonly TransformerBlock[] _transformerBlocks;
    private readonly Conv2d _projOut;

    public SpatialTransformer(int channels, int heads, int context)
    {
        _norm = new GroupNorm(32, channels, eps: 1e-6);
        _projIn = new Conv2d(channels, channels, 1);
        _transformerBlocks = [new TransformerBlock(channels, heads, context)];
        _projOut = new Conv2d(channels, channels, 1);
    }

    public Tensor Forward(Tensor x, Tensor words)
    {
        var y = _projIn.Forward(_norm.Forward(x)).Flatten(2).Transpose(1, 2);
        foreach (var block in _transformerBlocks)
            y = block.Forward(y, words);
        return _projOut.Forward(y.Transpose(1, 2).Reshape(x.Shape)) + x;
    }

    private sealed class TransformerBlock(int width, int heads, int context) : Module
    {
        private readonly CrossAttention _attn1 = new(width, width, heads);
        private readonly FeedForward _ff = new(width);
        private readonly CrossAttention _attn2 = new(width, context, heads);
        private readonly LayerNorm _norm1 = new(width);
        private readonly LayerNorm _norm2 = new(width);
        private readonly LayerNorm _norm3 = new(width);

        public Tensor Forward(Tensor x, Tensor words)
        {
            var normed = _norm1.Forward(x);
            x = x + _attn1.Forward(normed, normed);
            x = x + _attn2.Forward(_norm2.Forward(x), words);
            return x + _ff.Forward(_norm3.Forward(x));
        }
    }

    private sealed class FeedForward(int width) : Module
    {
        private readonly Sequential _net = new(new GatedGelu(width), new Dropout(0), new Linear(4 * width, width));

        public override Tensor Forward(Tensor x) => _net.Forward(x);
    }

    private sealed class GatedGelu(int width) : Module
    {
        private readonly Linear _proj = new(width, 8 * width);

        public override Tensor Forward(Tensor x)
        {
            var parts = _proj.Forward(x).Chunk(2, -1);
            return parts[0] * parts[1].Gelu();
        }
    }
}

/// <summary>Attention of x to what is seen.</summary>
public sealed class CrossAttention(int width, int context, int heads) : Module
{
    private readonly Linear _toQ = new(width, width, bias: false);
    private readonly Linear _toK = new(context, width, bias: false);
    private readonly Linear _toV = new(context, width, bias: false);
    private readonly Sequential _toOut = new(new Linear(width, width), new Dropout(0));

    public Tensor Forward(Tensor x, Tensor seen)
    {
        Tensor Split(Tensor y) => y.Unflatten(-1, heads, width / heads).Transpose(1, 2);
        var y = F.ScaledDotProductAttention(
            Split(_toQ.Forward(x)),
            Split(_toK.Forward(seen)),
            Split(_toV.Forward(seen))
        );
        return _toOut.Forward(y.Transpose(1, 2).Flatten(2));
    }
}

/// <summary>The half of the autoencoder that makes pictures of latent numbers.</summary>
public sealed class AutoencoderDecoder : Module
{
    private readonly Conv2d _postQuantConv;
    private readonly Decoder _decoder;

    public AutoencoderDecoder(int channels, int latent, int[] factors, int blocks) =>
        (_postQuantConv, _decoder) = (new Conv2d(latent, latent, 1), new Decoder(channels, latent, factors, blocks));

    /// <summary>Pictures [n, 3, 8h, 8w] from −1 to 1 of [n, 4, h, w] (with four factors).</summary>
    public override Tensor Forward(Tensor x) => _decoder.Forward(_postQuantConv.Forward(x));

    private sealed class Decoder : Module
    {
        private readonly Conv2d _convIn;
        private readonly Middle _mid;
        private readonly Level[] _up;
        private readonly GroupNorm _normOut;
        private readonly Conv2d _convOut;

        public Decoder(int channels, int latent, int[] factors, int blocks)
        {
            int ch = channels * factors[^1];
            _convIn = new Conv2d(latent, ch, 3, padding: 1);
            _mid = new Middle(ch);
            _up = new Level[factors.Length];
            for (int level = factors.Length - 1; level >= 0; level--)
            {
                _up[level] = new Level(ch, channels * factors[level], blocks + 1, level > 0);
                ch = channels * factors[level];
            }
            (_normOut, _convOut) = (new GroupNorm(32, ch, eps: 1e-6), new Conv2d(ch, 3, 3, padding: 1));
        }

        public override Tensor Forward(Tensor x)
        {
            x = _mid.Forward(_convIn.Forward(x));
            foreach (var level in _up.Reverse())
                x = level.Forward(x);
            return _convOut.Forward(_normOut.Forward(x).Silu());
        }
    }

    private sealed class Middle(int channels) : Module
    {
        private readonly ResBlock _block_1 = new(channels, channels);
        private readonly PlaceAttention _attn_1 = new(channels);
        private readonly ResBlock _block_2 = new(channels, channels);

        public override Tensor Forward(Tensor x) => _block_2.Forward(_attn_1.Forward(_block_1.Forward(x)));
    }

    private sealed class Level(int from, int to, int blocks, bool doubles) : Module
    {
        private readonly ResBlock[] _block =
        [
            .. Enumerable.Range(0, blocks).Select(i => new ResBlock(i == 0 ? from : to, to)),
        ];
        private readonly Upsampling? _upsample = doubles ? new(to) : null;

        public override Tensor Forward(Tensor x)
        {
            foreach (var block in _block)
                x = block.Forward(x);
            return _upsample?.Forward(x) ?? x;
        }
    }

    private sealed class Upsampling(int channels) : Module
    {
        private readonly Conv2d _conv = new(channels, channels, 3, padding: 1);

        public override Tensor Forward(Tensor x) => _conv.Forward(F.Interpolate(x, scaleFactor: 2, mode: "nearest"));
    }

    private sealed class ResBlock(int from, int to) : Module
    {
        private readonly GroupNorm _norm1 = new(32, from, eps: 1e-6);
        private readonly Conv2d _conv1 = new(from, to, 3, padding: 1);
        private readonly GroupNorm _norm2 = new(32, to, eps: 1e-6);
        private readonly Conv2d _conv2 = new(to, to, 3, padding: 1);
        private readonly Conv2d? _ninShortcut = from == to ? null : new(from, to, 1);

        public override Tensor Forward(Tensor x)
        {
            var y = _conv1.Forward(_norm1.Forward(x).Silu());
            return (_ninShortcut?.Forward(x) ?? x) + _conv2.Forward(_norm2.Forward(y).Silu());
        }
    }

    private sealed class PlaceAttention(int channels) : Module
    {
        private readonly GroupNorm _norm = new(32, channels, eps: 1e-6);
        private readonly Conv2d _q = new(channels, channels, 1);
        private readonly Conv2d _k = new(channels, channels, 1);
        private readonly Conv2d _v = new(channels, channels, 1);
        private readonly Conv2d _projOut = new(channels, channels, 1);

        public override Tensor Forward(Tensor x)
        {
            var y = _norm.Forward(x);
            static Tensor Places(Tensor z) => z.Flatten(2).Transpose(1, 2);
            y = F.ScaledDotProductAttention(Places(_q.Forward(y)), Places(_k.Forward(y)), Places(_v.Forward(y)));
            return x + _projOut.Forward(y.Transpose(1, 2).Reshape(x.Shape));
        }
    }
}
