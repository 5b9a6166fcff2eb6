// Writes down what is said in a recording (Radford and others, 2022): spectrum on the mel scale, encoder, decoder, beam search. The
// state dict is OpenAI's; weights are not part of the data here, so tests give it random ones.
using System.CommandLine;
using System.Text;
using Picograd;
using Picograd.Data;
using Picograd.Examples;

var sound = new Option<string?>("--sound") { Description = "WAVE file of 16 kHz; by default jfk.wav of the data" };
var picture = Example.Option("--out", "mel.png", "File for the picture");
var mel = new Command("mel", "Draws the spectrum that the model sees") { Example.Data, sound, picture };
mel.Does(parsed =>
{
    var spectrum = LogMel.Of(Recording(parsed), 80);
    Console.WriteLine(
        $"{spectrum.Shape}, from {spectrum.Min().Item():F4} to {spectrum.Max().Item():F4}, mean {spectrum.Mean().Item():F4}"
    );
    var bright = (spectrum - spectrum.Min()) / (spectrum.Max() - spectrum.Min());
    ImageFile.Save(bright.Flip(0).Unsqueeze(0), parsed.GetValue(picture)!);
});
var weights = new Argument<string>("model")
{
    Description = "Safetensors file with OpenAI's names (encoder.blocks.0.attn.query.weight, …)",
};
var language = Example.Option("--language", "en", "Language of the recording, as its mark says: en, de, …");
var beams = Example.Option("--beams", 5, "Texts that are followed at once");
var transcribe = new Command("transcribe", "Writes down the first 30 seconds")
{
    weights,
    Example.Data,
    sound,
    language,
    beams,
};
transcribe.Does(Transcribe);
return new RootCommand("Whisper: speech to text.") { mel, transcribe }.Run(args);

Tensor Recording(ParseResult parsed)
{
    var (samples, rate) = Wav.Load(parsed.GetValue(sound) ?? Example.File(parsed, "jfk.wav"));
    return rate == LogMel.Rate
        ? samples.Mean(0)
        : throw new UsageException($"the recording has {rate} Hz, but the model wants {LogMel.Rate}.");
}

void Transcribe(ParseResult parsed)
{
    var state = Safetensors.Load(parsed.GetValue(weights)!);
    var config = WhisperConfig.Of(state);
    var marks = WhisperMarks.Of(config.Vocabulary);
    int[] first = marks.Start(parsed.GetValue(language)!);
    var model = new Whisper(config);
    model.LoadStateDict(state);
    string name = marks.IsMultilingual ? "whisper-multilingual.tiktoken" : "whisper-gpt2.tiktoken";
    byte[][] tokens =
    [
        .. File.ReadLines(Example.File(parsed, name)).Select(l => Convert.FromBase64String(l.Split(' ')[0])),
    ];
    if (tokens.Length != marks.End)
        throw new InvalidDataException($"{name} has {tokens.Length} tokens, but must have {marks.End}.");
    using var off = Tensor.NoGrad();
    var audio = model.Encoder.Forward(LogMel.Of(Recording(parsed), model.Config.Mels).Unsqueeze(0));
    var (ids, _) = model.BeamSearch(
        audio,
        first,
        marks.End,
        parsed.Within(beams, 1, 100),
        model.Config.TextContext / 2
    );
    Console.WriteLine(
        Encoding.UTF8.GetString([.. ids.Where(i => i < tokens.Length).SelectMany(i => tokens[i])]).Trim()
    );
}

/// <summary>The spectrum of 30 seconds, in steps of 10 ms and on the mel scale, as a logarithm.</summary>
public static class LogMel
{
    public const int Rate = 16000;
    private const int Window = 400;
    private const int Step = 160;

    /// <summary>[mels, 3000] of samples [n], which are cut or filled up with silence.</summary>
    public static Tensor Of(Tensor samples, int mels)
    {
        long whole = 30 * Rate;
        samples = samples[..(int)Math.Min(whole, samples.Size(0))];
        samples = F.Pad(samples, [0, whole - samples.Size(0)]);
        var spectrum = samples.Stft(Window, Step, window: Tensor.HannWindow(Window));
        var power = (spectrum.Real.Square() + spectrum.Imag.Square())[.., ..^1];
        var log = Filters(mels).MatMul(power).ClampMin(1e-10).Log10();
        return (log.Maximum(log.Max() - 8) + 4) / 4;
    }

    /// <summary>Triangles [mels, 201] over the frequencies of the spectrum, each of the same area (Slaney).</summary>
    public static Tensor Filters(int mels)
    {
        // Up to 1000 Hz a mel is 200/3 Hz, above it a factor of 6.4^(1/27).
        static double Hertz(double mel) => mel < 15 ? mel * 200 / 3 : 1000 * Math.Pow(6.4, (mel - 15) / 27);
        double top = 15 + 27 * Math.Log(Rate / 2.0 / 1000) / Math.Log(6.4);
        double[] corners = [.. Enumerable.Range(0, mels + 2).Select(i => Hertz(top * i / (mels + 1)))];
        var filters = new double[mels, Window / 2 + 1];
        for (int m = 0; m < mels; m++)
        {
            var (low, middle, high) = (corners[m], corners[m + 1], corners[m + 2]);
            for (int f = 0; f <= Window / 2; f++)
            {
                double hertz = f * (double)Rate / Window;
                double height = Math.Max(0, Math.Min((hertz - low) / (middle - low), (high - hertz) / (high - middle)));
                filters[m, f] = height * 2 / (high - low);
            }
        }
        return Tensor.From(filters).Float();
    }
}

/// <summary>Sizes of a model, with OpenAI's meanings.</summary>
public sealed record WhisperConfig(
    int Mels,
    int AudioContext,
    int AudioWidth,
    int AudioHeads,
    int AudioLayers,
    int Vocabulary,
    int TextContext,
    int TextWidth,
    int TextHeads,
    int TextLayers
)
{
    /// <summary>The sizes of a state dict; heads are 64 wide in all of OpenAI's models.</summary>
    public static WhisperConfig Of(IReadOnlyDictionary<string, Tensor> state)
    {
        int Size(string name, int dim) =>
            state.TryGetValue(name, out var tensor) && tensor.Rank > dim
                ? (int)tensor.Size(dim)
                : throw new InvalidDataException($"the file is no Whisper with OpenAI's names: it has no '{name}'.");
        int Layers(string part) =>
            state.Keys.Count(k =>
                k.StartsWith(part + ".blocks.", StringComparison.Ordinal)
                && k.EndsWith(".attn_ln.weight", StringComparison.Ordinal)
                && !k.Contains("cross", StringComparison.Ordinal)
            );
        int audio = Size("encoder.positional_embedding", 1),
            text = Size("decoder.positional_embedding", 1);
        return new WhisperConfig(
            Size("encoder.conv1.weight", 1),
            Size("encoder.positional_embedding", 0),
            audio,
            Math.Max(1, audio / 64),
            Layers("encoder"),
            Size("decoder.token_embedding.weight", 0),
            Size("decoder.positional_embedding", 0),
            text,
            Math.Max(1, text / 64),
            Layers("decoder")
        );
    }
}

/// <summary>
/// The marks behind the tokens of text: end, start, the languages, translate, transcribe, start of a model of language, start of what was
/// before, no speech, no timestamps, and the 1501 timestamps.
/// </summary>
public sealed record WhisperMarks(int End, string[] Languages, bool IsMultilingual)
{
    private static readonly string[] s_languages = (
        "en zh de es ru ko fr ja pt tr pl ca nl ar sv it id hi fi vi he uk el ms cs ro da hu ta no th ur "
        + "hr bg lt la mi ml cy sk te fa lv bn sr az sl kn et mk br eu is hy ne mn bs kk sq sw gl mr pa si "
        + "km sn yo so af oc ka be tg sd gu am yi lo uz fo ht ps tk nn mt sa lb my bo tl mg as tt haw ln "
        + "ha ba jw su yue"
    ).Split(' ');

    /// <summary>The marks of a model, which the number of its tokens tells.</summary>
    /// <exception cref="InvalidDataException">None of OpenAI's models has so many.</exception>
    public static WhisperMarks Of(int vocabulary) =>
        vocabulary switch
        {
            51864 => new(50256, ["en"], false),
            51865 => new(50257, s_languages[..^1], true),
            // From large-v3 on there is Cantonese.
            51866 => new(50257, s_languages, true),
            _ => throw new InvalidDataException(
                $"the model has {vocabulary} tokens, but OpenAI's have 51864 (English only), 51865 or 51866."
            ),
        };

    /// <summary>What a text in a language starts with: start, language, transcribe, no timestamps. Models of English know no other task.</summary>
    public int[] Start(string language)
    {
        int spoken = Array.IndexOf(Languages, language);
        if (spoken < 0)
            throw new UsageException(
                $"--language is {language}, but must be {(IsMultilingual ? "one of " : "")}{string.Join(", ", Languages)}."
            );
        // Models of English have the marks of 99 languages, though they do not use them.
        int start = End + 1,
            last = start + (IsMultilingual ? Languages.Length : 99);
        return IsMultilingual ? [start, start + 1 + spoken, last + 2, last + 6] : [start, last + 6];
    }
}

/// <summary>Encoder and decoder.</summary>
public sealed class Whisper(WhisperConfig config) : Module
{
    public WhisperConfig Config => config;
    public WhisperEncoder Encoder { get; } = new(config);
    public WhisperDecoder Decoder { get; } = new(config);

    /// <summary>
    /// The likeliest text after the start, by the mean logarithm of its tokens' probabilities: in each step all texts are lengthened
    /// by all tokens, and the likeliest ones are kept; those with an end are set aside.
    /// </summary>
    /// <returns>The tokens between start and end, and the sum of logarithms.</returns>
    public (int[] Tokens, double LogProbability) BeamSearch(Tensor audio, int[] start, int end, int beams, int most)
    {
        var open = new List<(int[] Tokens, double Log)> { ([], 0) };
        var ended = new List<(int[] Tokens, double Log)>();
        for (int step = 0; step < most && open.Count > 0 && ended.Count < beams; step++)
        {
            using var scope = Tensor.Scope();
            var texts = Tensor.From(
                open.SelectMany(o => start.Concat(o.Tokens)).ToArray(),
                [open.Count, start.Length + step]
            );
            var logs = Decoder.Forward(texts, audio.Expand(open.Count, -1, -1))[.., -1].LogSoftmax(-1);
            var next = new List<(int[] Tokens, double Log)>();
            for (int i = 0; i < open.Count; i++)
            {
                var (values, tokens) = logs[i].TopK(Math.Min(beams + 1, config.Vocabulary));
                foreach (var (log, token) in values.ToDoubles().Zip(tokens.ToArray<long>()))
                    next.Add(([.. open[i].Tokens, (int)token], open[i].Log + log));
            }
            open = [];
            foreach (var text in next.OrderByDescending(t => t.Log))
            {
                if (open.Count == beams)
                    break;
                if (text.Tokens[^1] == end)
                    ended.Add((text.Tokens[..^1], text.Log));
                else
                    open.Add(text);
            }
        }
        // Where nothing came to an end, what there is.
        return (ended.Count > 0 ? ended : open).MaxBy(t => t.Log / (t.Tokens.Length + (ended.Count > 0 ? 1 : 0)));
    }
}

/// <summary>Two convolutions, of which the second halves the steps, and blocks in which each step sees all others.</summary>
public sealed class WhisperEncoder : Module
{
    private readonly Conv1d _conv1;
    private readonly Conv1d _conv2;
    private readonly WhisperBlock[] _blocks;
    private readonly LayerNorm _lnPost;
    private readonly Tensor _places;

    public WhisperEncoder(WhisperConfig c)
    {
        _conv1 = new Conv1d(c.Mels, c.AudioWidth, 3, padding: 1);
        _conv2 = new Conv1d(c.AudioWidth, c.AudioWidth, 3, stride: 2, padding: 1);
        _blocks =
        [
            .. Enumerable
                .Range(0, c.AudioLayers)
                .Select(_ => new WhisperBlock(c.AudioWidth, c.AudioHeads, cross: false)),
        ];
        _lnPost = new LayerNorm(c.AudioWidth);
        // Sines, then cosines, of frequencies from 1 down to 1/10000.
        long half = c.AudioWidth / 2;
        var frequencies = (Tensor.Arange(half).Double() * (-Math.Log(10_000) / Math.Max(1, half - 1))).Exp();
        var angles = Tensor.Arange(c.AudioContext).Double().Outer(frequencies);
        _places = RegisterBuffer("positional_embedding", Tensor.Cat([angles.Sin(), angles.Cos()], 1).Float());
    }

    /// <summary>[n, steps / 2, width] of spectra [n, mels, steps].</summary>
    public override Tensor Forward(Tensor x)
    {
        x = _conv2.Forward(_conv1.Forward(x).Gelu()).Gelu().Transpose(1, 2);
        x = x + _places.Narrow(0, 0, x.Size(1));
        foreach (var block in _blocks)
            x = block.Forward(x, null, isCausal: false);
        return _lnPost.Forward(x);
    }
}

/// <summary>Blocks in which each token sees those before it and all of the recording.</summary>
public sealed class WhisperDecoder : Module
{
    private readonly Embedding _tokenEmbedding;
    private readonly Tensor _positionalEmbedding;
    private readonly WhisperBlock[] _blocks;
    private readonly LayerNorm _ln;

    public WhisperDecoder(WhisperConfig c)
    {
        _tokenEmbedding = new Embedding(c.Vocabulary, c.TextWidth);
        _positionalEmbedding = (Tensor.Randn(c.TextContext, c.TextWidth) * 0.01).RequiresGrad_();
        _blocks =
        [
            .. Enumerable.Range(0, c.TextLayers).Select(_ => new WhisperBlock(c.TextWidth, c.TextHeads, cross: true)),
        ];
        _ln = new LayerNorm(c.TextWidth);
    }

    /// <summary>Logits [n, t, vocabulary] of tokens [n, t] and recordings [n, steps, width].</summary>
    public Tensor Forward(Tensor tokens, Tensor audio)
    {
        var x = _tokenEmbedding.Forward(tokens) + _positionalEmbedding.Narrow(0, 0, tokens.Size(1));
        foreach (var block in _blocks)
            x = block.Forward(x, audio, isCausal: true);
        return _ln.Forward(x).MatMul(_tokenEmbedding.Weight.T);
    }
}

/// <summary>Attention among each other, in the decoder also to the recording, and two layers; each beside a skip.</summary>
public sealed class WhisperBlock(int width, int heads, bool cross) : Module
{
    private readonly WhisperAttention _attn = new(width, heads);
    private readonly LayerNorm _attnLn = new(width);
    private readonly WhisperAttention? _crossAttn = cross ? new(width, heads) : null;
    private readonly LayerNorm? _crossAttnLn = cross ? new(width) : null;
    private readonly Sequential _mlp = new(new Linear(width, 4 * width), new GELU(), new Linear(4 * width, width));
    private readonly LayerNorm _mlpLn = new(width);

    public Tensor Forward(Tensor x, Tensor? audio, bool isCausal)
    {
        var normed = _attnLn.Forward(x);
        x = x + _attn.Forward(normed, normed, isCausal);
        if (_crossAttn is not null)
            x = x + _crossAttn.Forward(_crossAttnLn!.Forward(x), audio!, isCausal: false);
        return x + _mlp.Forward(_mlpLn.Forward(x));
    }
}

/// <summary>Attention of x to what is seen.</summary>
public sealed class WhisperAttention(int width, int heads) : Module
{
    private readonly Linear _query = new(width, width);
    private readonly Linear _key = new(width, width, bias: false);
    private readonly Linear _value = new(width, width);
    private readonly Linear _out = new(width, width);

    public Tensor Forward(Tensor x, Tensor seen, bool isCausal)
    {
        Tensor Split(Tensor y) => y.Unflatten(-1, heads, width / heads).Transpose(1, 2);
        var y = F.ScaledDotProductAttention(
            Split(_query.Forward(x)),
            Split(_key.Forward(seen)),
            Split(_value.Forward(seen)),
            isCausal: isCausal
        );
        return _out.Forward(y.Transpose(1, 2).Flatten(2));
    }
}
