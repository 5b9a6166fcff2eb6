// Tells stories with Llama models in llama2.c's format (stories260K, BabyLlama): RMS norm, rotary places, grouped heads, SwiGLU.
using System.Buffers.Binary;
using System.CommandLine;
using System.Diagnostics;
using System.Globalization;
using System.Text;
using Picograd;
using Picograd.Examples;

var modelName = Example.Option("--model", "stories260K.bin", "The weights, in the folder of the data");
var vocabulary = new Option<string?>("--tokenizer")
{
    Description = "The tokens, in that folder; by default those that belong to the model",
};
var prompt = Example.Option("--prompt", "", "What the story begins with");
var length = Example.Option("--length", 256, "Tokens to write at most");
var command = new RootCommand("Tells a story with a small Llama (stories260K.bin, babyllama-tok105.bin).")
{
    Example.Data,
    modelName,
    vocabulary,
    prompt,
    length,
    Example.Seed,
    Sampling.TemperatureOption,
    Sampling.TopKOption,
    Sampling.TopPOption,
};
return Example.Run(
    command,
    args,
    parsed =>
    {
        string name = parsed.GetValue(modelName)!;
        var model = Llama.Load(Example.File(parsed, name));
        var tokens = Tokens.Load(
            Example.File(
                parsed,
                parsed.GetValue(vocabulary)
                    ?? (
                        name.StartsWith("babyllama", StringComparison.Ordinal)
                            ? "babyllama-tok105.vocab"
                            : "stories260K-tok512.bin"
                    )
            )
        );
        var sampling = Sampling.Of(parsed);
        int most = Math.Min(parsed.Within(length, 0, int.MaxValue), model.MaxLength - 1);

        using var off = Tensor.NoGrad();
        int[] ids = [Tokens.Bos, .. tokens.Encode(parsed.GetValue(prompt)!)];
        if (ids.Length > model.MaxLength)
            throw new UsageException($"--prompt has {ids.Length} tokens, but the model takes {model.MaxLength}.");
        foreach (int id in ids[1..])
            Console.Write(tokens[id]);
        var cache = model.NewCache();
        var logits = model.Forward(ids, cache);
        var clock = Stopwatch.StartNew();
        int written = 0;
        while (written < most && cache.Length < model.MaxLength)
        {
            using var scope = Tensor.Scope();
            int next = sampling.Next(logits);
            if (next == Tokens.Bos)
                break;
            Console.Write(tokens[next]);
            written++;
            logits = model.Forward([next], cache).Keep();
        }
        Console.WriteLine();
        Console.Error.WriteLine($"{written / clock.Elapsed.TotalSeconds:F0} tokens/s");
    }
);

/// <summary>Sizes of a model.</summary>
public sealed record LlamaConfig(int Dim, int Hidden, int Layers, int Heads, int KvHeads, int Vocabulary, int MaxLength)
{
    public int HeadSize => Dim / Heads;
}

/// <summary>Keys and values of the tokens so far, so that each token is computed once.</summary>
public sealed class KvCache(LlamaConfig config)
{
    public Tensor[] Keys { get; } = Make(config);
    public Tensor[] Values { get; } = Make(config);
    public int Length { get; set; }

    private static Tensor[] Make(LlamaConfig c) =>
        [.. Enumerable.Range(0, c.Layers).Select(_ => Tensor.Zeros(c.KvHeads, c.MaxLength, c.HeadSize))];
}

/// <summary>A Llama, with the names of Meta's code.</summary>
public sealed class Llama : Module
{
    private readonly LlamaConfig _config;
    private readonly Embedding _tokEmbeddings;
    private readonly Block[] _layers;
    private readonly RMSNorm _norm;
    private readonly Linear _output;

    public Llama(LlamaConfig config)
    {
        _config = config;
        _tokEmbeddings = new Embedding(config.Vocabulary, config.Dim);
        var rotary = new RotaryEmbedding(config.HeadSize, config.MaxLength, interleaved: true);
        _layers = [.. Enumerable.Range(0, config.Layers).Select(_ => new Block(config, rotary))];
        _norm = new RMSNorm(config.Dim, eps: 1e-5);
        _output = new Linear(config.Dim, config.Vocabulary, bias: false);
    }

    public int MaxLength => _config.MaxLength;

    public KvCache NewCache() => new(_config);

    /// <summary>Takes tokens in behind those of the cache; logits [vocabulary] of what follows the last one.</summary>
    public Tensor Forward(int[] ids, KvCache cache)
    {
        var x = _tokEmbeddings.Forward(Tensor.From(ids));
        for (int i = 0; i < _layers.Length; i++)
            x = _layers[i].Forward(x, cache.Keys[i], cache.Values[i], cache.Length);
        cache.Length += ids.Length;
        return _output.Forward(_norm.Forward(x[-1]));
    }

    /// <summary>Reads llama2.c's file.</summary>
    public static Llama Load(string path)
    {
        using var file = Llama2C.Open(path);
        var c = file.Config;
        var model = new Llama(new(c.Dim, c.HiddenDim, c.Layers, c.Heads, c.KvHeads, c.VocabSize, c.MaxSeqLen));
        // Cosines and sines the model computes itself.
        model.LoadStateDict(file.Rename(name => name.StartsWith("freqs_", StringComparison.Ordinal) ? null : name));
        return model;
    }

    private sealed class Block(LlamaConfig config, RotaryEmbedding rotary) : Module
    {
        private readonly Attention _attention = new(config, rotary);
        private readonly FeedForward _feedForward = new(config);
        private readonly RMSNorm _attentionNorm = new(config.Dim, eps: 1e-5);
        private readonly RMSNorm _ffnNorm = new(config.Dim, eps: 1e-5);

        public Tensor Forward(Tensor x, Tensor keys, Tensor values, int length)
        {
            x = x + _attention.Forward(_attentionNorm.Forward(x), keys, values, length);
            return x + _feedForward.Forward(_ffnNorm.Forward(x));
        }
    }

    private sealed class Attention(LlamaConfig config, RotaryEmbedding rotary) : Module
    {
        private readonly Linear _wq = new(config.Dim, config.Dim, bias: false);
        private readonly Linear _wk = new(config.Dim, config.KvHeads * config.HeadSize, bias: false);
        private readonly Linear _wv = new(config.Dim, config.KvHeads * config.HeadSize, bias: false);
        private readonly Linear _wo = new(config.Dim, config.Dim, bias: false);

        public Tensor Forward(Tensor x, Tensor keys, Tensor values, int length)
        {
            long t = x.Size(0);
            Tensor Split(Tensor y, int heads) => y.Reshape(t, heads, config.HeadSize).Transpose(0, 1);
            keys.Narrow(1, length, t).Copy_(rotary.Forward(Split(_wk.Forward(x), config.KvHeads), length));
            values.Narrow(1, length, t).Copy_(Split(_wv.Forward(x), config.KvHeads));
            var y = F.ScaledDotProductAttention(
                rotary.Forward(Split(_wq.Forward(x), config.Heads), length),
                keys.Narrow(1, 0, length + t),
                values.Narrow(1, 0, length + t),
                isCausal: t > 1,
                enableGqa: true
            );
            return _wo.Forward(y.Transpose(0, 1).Reshape(t, config.Dim));
        }
    }

    private sealed class FeedForward(LlamaConfig config) : Module
    {
        private readonly Linear _w1 = new(config.Dim, config.Hidden, bias: false);
        private readonly Linear _w2 = new(config.Hidden, config.Dim, bias: false);
        private readonly Linear _w3 = new(config.Dim, config.Hidden, bias: false);

        public override Tensor Forward(Tensor x) => _w2.Forward(_w1.Forward(x).Silu() * _w3.Forward(x));
    }
}

/// <summary>Pieces of text by number, with scores by which neighbours are joined (SentencePiece).</summary>
public sealed class Tokens
{
    public const int Bos = 1;
    private readonly List<(string Piece, float Score)> _tokens = [];

    /// <summary>The text of a token.</summary>
    public string this[int id] => _tokens[id].Piece is "<0x0A>" ? "\n" : _tokens[id].Piece.Replace('\u2581', ' ');

    /// <summary>Reads llama2.c's tokenizer.bin, or lines of piece, tab, score.</summary>
    public static Tokens Load(string path)
    {
        var tokens = new Tokens();
        if (path.EndsWith(".vocab", StringComparison.Ordinal))
        {
            foreach (string line in File.ReadLines(path))
                tokens._tokens.Add(
                    (line.Split('\t')[0], float.Parse(line.Split('\t')[1], CultureInfo.InvariantCulture))
                );
            return tokens;
        }
        ReadOnlySpan<byte> file = File.ReadAllBytes(path);
        for (int at = 4; at + 8 <= file.Length; )
        {
            float score = BinaryPrimitives.ReadSingleLittleEndian(file[at..]);
            int bytes = BinaryPrimitives.ReadInt32LittleEndian(file[(at + 4)..]);
            if (bytes < 0 || bytes > file.Length - at - 8)
                throw new InvalidDataException($"{path}: token {tokens._tokens.Count} claims {bytes} bytes.");
            tokens._tokens.Add((Encoding.UTF8.GetString(file.Slice(at + 8, bytes)), score));
            at += 8 + bytes;
        }
        return tokens;
    }

    /// <summary>Characters, of which the two neighbours whose union has the best score are joined, again and again.</summary>
    public List<int> Encode(string text)
    {
        int Find(string piece) => _tokens.FindIndex(t => t.Piece.Replace('\u2581', ' ') == piece);
        var ids = new List<int>();
        foreach (char c in text.Length == 0 || Find(" ") < 0 ? text : " " + text)
            ids.Add(
                Find(c.ToString()) is >= 0 and var id
                    ? id
                    : throw new UsageException($"--prompt has '{c}', which the model does not know.")
            );
        while (true)
        {
            var (best, place, joined) = (float.NegativeInfinity, -1, -1);
            for (int i = 0; i + 1 < ids.Count; i++)
            {
                int id = Find(this[ids[i]] + this[ids[i + 1]]);
                if (id >= 0 && _tokens[id].Score > best)
                    (best, place, joined) = (_tokens[id].Score, i, id);
            }
            if (place < 0)
                return ids;
            ids[place] = joined;
            ids.RemoveAt(place + 1);
        }
    }
}
