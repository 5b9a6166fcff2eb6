using System.Buffers.Binary;
using System.Text;
using Picograd.Algorithms;
using Picograd.Formats;

namespace Picograd;

/// <summary>What a llama2.c file says of its model.</summary>
/// <param name="Dim">Width of the residual stream.</param>
/// <param name="HiddenDim">Width of the feed-forward layers.</param>
/// <param name="Layers">Number of blocks.</param>
/// <param name="Heads">Heads of queries.</param>
/// <param name="KvHeads">Heads of keys and values, of which each serves <c>Heads / KvHeads</c> heads of queries.</param>
/// <param name="VocabSize">Number of tokens.</param>
/// <param name="MaxSeqLen">Most tokens that it was trained for.</param>
/// <param name="SharesEmbedding">Whether the output layer is the embedding.</param>
public sealed record Llama2CConfig(
    int Dim,
    int HiddenDim,
    int Layers,
    int Heads,
    int KvHeads,
    int VocabSize,
    int MaxSeqLen,
    bool SharesEmbedding
)
{
    /// <summary>Width of a head.</summary>
    public int HeadDim => Dim / Heads;

    /// <summary>Width of all keys, and of all values.</summary>
    public int KvDim => KvHeads * HeadDim;
}

/// <summary>The weights of a model of llama2.c, under the names of Llama's own state dict.</summary>
public sealed class Llama2CFile : TensorFile
{
    internal Llama2CFile(FileBytes bytes, Llama2CConfig config, IEnumerable<StoredTensor> entries)
        : base(
            bytes,
            bytes.Path,
            "llama2.c",
            entries,
            new Dictionary<string, object?>
            {
                ["dim"] = (long)config.Dim,
                ["hidden_dim"] = (long)config.HiddenDim,
                ["n_layers"] = (long)config.Layers,
                ["n_heads"] = (long)config.Heads,
                ["n_kv_heads"] = (long)config.KvHeads,
                ["vocab_size"] = (long)config.VocabSize,
                ["max_seq_len"] = (long)config.MaxSeqLen,
                ["shared_classifier"] = config.SharesEmbedding,
            }
        ) => Config = config;

    /// <summary>The sizes of the model.</summary>
    public Llama2CConfig Config { get; }
}

/// <summary>
/// Files of karpathy/llama2.c: models as its <c>export.py</c> writes them (the legacy format without a version, and version 1, both of
/// float32; version 2 of int8 is refused), and vocabularies (<c>tokenizer.bin</c>). The legacy format has no mark, so that a model is
/// known by its sizes alone, which must be those of the file to the byte.
/// </summary>
public static class Llama2C
{
    private const string Format = "llama2.c";

    /// <summary>
    /// Opens a model. Its tensors have the names and shapes of Llama's state dict: <c>tok_embeddings.weight</c> [vocab, dim],
    /// <c>layers.0.attention_norm.weight</c> [dim], <c>layers.0.attention.wq.weight</c> [dim, dim], <c>wk</c>, <c>wv</c> [kv_dim, dim],
    /// <c>wo</c> [dim, dim], <c>layers.0.ffn_norm.weight</c> [dim], <c>layers.0.feed_forward.w1.weight</c>, <c>w3</c> [hidden, dim],
    /// <c>w2</c> [dim, hidden], <c>norm.weight</c> [dim], <c>output.weight</c> [vocab, dim] (the embedding where they share it), and,
    /// in legacy files, <c>freqs_cos</c> and <c>freqs_sin</c> [max_seq_len, head_dim / 2].
    /// </summary>
    /// <exception cref="InvalidDataException">No such file, or a damaged one; says what is wrong and where.</exception>
    public static Llama2CFile Open(string path)
    {
        var bytes = FileBytes.Map(path);
        try
        {
            return Open(bytes);
        }
        catch
        {
            bytes.Dispose();
            throw;
        }
    }

    /// <summary>Reads a vocabulary: pieces by id, with their scores. Pieces are bytes in UTF-8; those of one byte are written <c>&lt;0x0A&gt;</c>.</summary>
    /// <exception cref="InvalidDataException">No such file, or a damaged one; says what is wrong and where.</exception>
    public static IReadOnlyList<(string Piece, float Score)> LoadVocabulary(string path)
    {
        using var bytes = FileBytes.Map(path);
        return Vocabulary(bytes);
    }

    internal static IReadOnlyList<(string Piece, float Score)> Vocabulary(FileBytes bytes)
    {
        if (bytes.Length < 4)
            throw bytes.Wrong(Format, 0, "it has fewer than 4 bytes");
        int longest = BinaryPrimitives.ReadInt32LittleEndian(bytes.Span(0, 4));
        if (longest <= 0 || longest > bytes.Length)
            throw bytes.Wrong(
                Format,
                0,
                $"its longest piece would have {longest} bytes, but the file has {bytes.Length}"
            );
        var pieces = new List<(string, float)>();
        for (long at = 4; at < bytes.Length; )
        {
            if (!bytes.Has(at, 8))
                throw bytes.Wrong(Format, at, $"it ends within piece {pieces.Count}");
            float score = BinaryPrimitives.ReadSingleLittleEndian(bytes.Span(at, 4));
            int length = BinaryPrimitives.ReadInt32LittleEndian(bytes.Span(at + 4, 4));
            if (length < 0 || length > longest || !bytes.Has(at + 8, length))
                throw bytes.Wrong(
                    Format,
                    at + 4,
                    $"piece {pieces.Count} would have {length} bytes, but the longest {longest}"
                );
            pieces.Add((Encoding.UTF8.GetString(bytes.Span(at + 8, length)), score));
            at += 8 + length;
        }
        return pieces;
    }

    internal static Llama2CFile Open(FileBytes bytes)
    {
        const uint Magic = 0x616b3432;
        if (bytes.Length < 28)
            throw bytes.Wrong(Format, 0, "it has fewer than 28 bytes");
        bool isVersioned = BinaryPrimitives.ReadUInt32LittleEndian(bytes.Span(0, 4)) == Magic;
        int first = isVersioned ? 8 : 0;
        int begin = isVersioned ? 256 : 28;
        if (isVersioned)
        {
            int version = BinaryPrimitives.ReadInt32LittleEndian(bytes.Span(4, 4));
            if (version != 1)
                throw bytes.Wrong(
                    Format,
                    4,
                    $"it is of version {version}; read are the legacy format and version 1, of float32"
                );
            if (bytes.Length < begin)
                throw bytes.Wrong(Format, 0, $"it has {bytes.Length} bytes, fewer than its header of {begin}");
        }
        int[] numbers = new int[7];
        for (int i = 0; i < numbers.Length; i++)
            numbers[i] = BinaryPrimitives.ReadInt32LittleEndian(bytes.Span(first + 4 * i, 4));
        bool shares = isVersioned ? bytes.Span(36, 1)[0] != 0 : numbers[5] > 0;
        numbers[5] = numbers[5] == int.MinValue ? 0 : Math.Abs(numbers[5]);
        var config = new Llama2CConfig(
            numbers[0],
            numbers[1],
            numbers[2],
            numbers[3],
            numbers[4],
            numbers[5],
            numbers[6],
            shares
        );
        if (
            numbers.Any(n => n <= 0)
            || config.Dim % config.Heads != 0
            || config.HeadDim % 2 != 0
            || config.Heads % config.KvHeads != 0
            // Each layer has two norms in the file.
            || config.Layers > bytes.Length / 8
        )
            throw bytes.Wrong(Format, first, $"its sizes are of no model: {string.Join(", ", numbers)}");
        var places = new Places(bytes, begin);
        if (isVersioned)
            AddVersion1(places, config);
        else
            AddLegacy(places, config);
        if (places.At != bytes.Length)
            throw bytes.Wrong(
                Format,
                first,
                $"a model of its sizes ({string.Join(", ", numbers)}) takes {places.At} bytes, but the file has {bytes.Length}"
            );
        return new Llama2CFile(bytes, config, places.InOrder(config.Layers));
    }

    private static void AddLegacy(Places places, Llama2CConfig c)
    {
        places.Add("tok_embeddings.weight", c.VocabSize, c.Dim);
        places.AddLayers(c.Layers, "attention_norm.weight", c.Dim);
        places.AddLayers(c.Layers, "attention.wq.weight", c.Dim, c.Dim);
        places.AddLayers(c.Layers, "attention.wk.weight", c.KvDim, c.Dim);
        places.AddLayers(c.Layers, "attention.wv.weight", c.KvDim, c.Dim);
        places.AddLayers(c.Layers, "attention.wo.weight", c.Dim, c.Dim);
        places.AddLayers(c.Layers, "ffn_norm.weight", c.Dim);
        AddFeedForward(places, c);
        places.Add("norm.weight", c.Dim);
        places.Add("freqs_cos", c.MaxSeqLen, c.HeadDim / 2);
        places.Add("freqs_sin", c.MaxSeqLen, c.HeadDim / 2);
        AddOutput(places, c);
    }

    private static void AddVersion1(Places places, Llama2CConfig c)
    {
        places.AddLayers(c.Layers, "attention_norm.weight", c.Dim);
        places.AddLayers(c.Layers, "ffn_norm.weight", c.Dim);
        places.Add("norm.weight", c.Dim);
        places.Add("tok_embeddings.weight", c.VocabSize, c.Dim);
        places.AddLayers(c.Layers, "attention.wq.weight", c.Dim, c.Dim);
        places.AddLayers(c.Layers, "attention.wk.weight", c.KvDim, c.Dim);
        places.AddLayers(c.Layers, "attention.wv.weight", c.KvDim, c.Dim);
        places.AddLayers(c.Layers, "attention.wo.weight", c.Dim, c.Dim);
        AddFeedForward(places, c);
        AddOutput(places, c);
    }

    private static void AddFeedForward(Places places, Llama2CConfig c)
    {
        places.AddLayers(c.Layers, "feed_forward.w1.weight", c.HiddenDim, c.Dim);
        places.AddLayers(c.Layers, "feed_forward.w2.weight", c.Dim, c.HiddenDim);
        places.AddLayers(c.Layers, "feed_forward.w3.weight", c.HiddenDim, c.Dim);
    }

    private static void AddOutput(Places places, Llama2CConfig c)
    {
        if (c.SharesEmbedding)
            places.Share("output.weight", "tok_embeddings.weight");
        else
            places.Add("output.weight", c.VocabSize, c.Dim);
    }

    // Where tensors lie, one behind the other. Sums are of 128 bits, and tensors that begin behind the end are only counted.
    private sealed class Places(FileBytes bytes, long begin)
    {
        private readonly Dictionary<string, StoredTensor> _tensors = [];

        public Int128 At { get; private set; } = begin;

        public void Add(string name, params long[] shape)
        {
            Int128 size = 4;
            foreach (long extent in shape)
                size *= extent;
            if (At + size <= bytes.Length)
            {
                long at = (long)At;
                _tensors.Add(
                    name,
                    new StoredTensor(name, DType.Float32, shape, "f32", () => bytes.View(at, shape, DType.Float32))
                );
            }
            At += size;
        }

        public void AddLayers(int layers, string name, params long[] shape)
        {
            for (int i = 0; i < layers; i++)
            {
                // Behind the end there is nothing to name.
                if (At > bytes.Length)
                {
                    At += shape.Aggregate((Int128)4, (size, extent) => size * extent) * (layers - i);
                    return;
                }
                Add($"layers.{i}.{name}", shape);
            }
        }

        public void Share(string name, string other)
        {
            if (_tensors.TryGetValue(other, out var tensor))
                _tensors.Add(name, new StoredTensor(name, tensor.DType, tensor.Sizes, "f32", () => tensor.Read()));
        }

        // Names of one layer together, as models have them.
        public IEnumerable<StoredTensor> InOrder(int layers) =>
            _tensors
                .Values.Select((t, i) => (Tensor: t, Place: i))
                .OrderBy(t => Layer(t.Tensor.Name, layers))
                .ThenBy(t => t.Place)
                .Select(t => t.Tensor);

        private static int Layer(string name, int layers)
        {
            if (!name.StartsWith("layers.", StringComparison.Ordinal))
                return name.StartsWith("tok_", StringComparison.Ordinal) ? -1 : layers;
            return int.Parse(
                name.AsSpan(7, name.IndexOf('.', 7) - 7),
                System.Globalization.CultureInfo.InvariantCulture
            );
        }
    }
}
