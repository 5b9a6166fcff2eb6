using System.IO.Compression;
using System.Text;
using System.Text.RegularExpressions;
using Google.Protobuf;
using Microsoft.ML.Tokenizers;

namespace Picograd.Data;

/// <summary>
/// Reads the vocabularies that models come with into tokenizers of Microsoft.ML.Tokenizers: <c>EncodeToIds</c> and <c>Decode</c> are
/// theirs.
/// </summary>
public static partial class Tokenizers
{
    private const long Longest = 1 << 28;

    /// <summary>Of GPT-2: byte pairs over bytes.</summary>
    /// <param name="vocabulary"><c>encoder.json</c> or <c>vocab.json</c>: ids by piece.</param>
    /// <param name="merges"><c>vocab.bpe</c> or <c>merges.txt</c>.</param>
    /// <remarks><c>&lt;|endoftext|&gt;</c> is one token where it stands in a text.</remarks>
    /// <exception cref="InvalidDataException">A file is no such vocabulary.</exception>
    public static BpeTokenizer Gpt2(string vocabulary, string merges) =>
        Read(
            vocabulary,
            _ =>
            {
                var ids = System.Text.Json.JsonSerializer.Deserialize<Dictionary<string, int>>(Bytes(vocabulary))!;
                var special = ids.Where(e => e.Key == EndOfText).ToDictionary();
                return BpeTokenizer.Create(
                    new BpeOptions(ids)
                    {
                        Merges =
                        [
                            .. Lines(merges)
                                .Where(l => l.Length > 0 && !l.StartsWith("#version", StringComparison.Ordinal)),
                        ],
                        ByteLevel = true,
                        PreTokenizer = new RegexPreTokenizer(Gpt2Words(), special),
                        SpecialTokens = special,
                    }
                );
            }
        );

    /// <summary>Of tiktoken's files: a line for each token, its bytes in base 64 and its rank.</summary>
    /// <param name="path">The file.</param>
    /// <param name="special">Ids of tokens that are no bytes.</param>
    /// <param name="words">How texts are split first; as GPT-2 splits them unless given.</param>
    /// <exception cref="InvalidDataException">The file is no such vocabulary.</exception>
    public static TiktokenTokenizer Tiktoken(
        string path,
        IReadOnlyDictionary<string, int>? special = null,
        Regex? words = null
    ) =>
        Read(
            path,
            _ =>
                TiktokenTokenizer.Create(
                    Ranks(path),
                    new RegexPreTokenizer(words ?? Gpt2Words(), special),
                    normalizer: null,
                    special
                )
        );

    /// <summary>
    /// Of Whisper, with its special tokens: <c>&lt;|endoftext|&gt;</c>, <c>&lt;|startoftranscript|&gt;</c>, languages
    /// (<c>&lt;|en|&gt;</c>), <c>&lt;|translate|&gt;</c>, <c>&lt;|transcribe|&gt;</c>, …, times (<c>&lt;|0.00|&gt;</c> to <c>&lt;|30.00|&gt;</c>).
    /// </summary>
    /// <param name="path"><c>multilingual.tiktoken</c>, or <c>gpt2.tiktoken</c> of the English models.</param>
    /// <param name="languages">How many languages it knows: 99, or 100 of the large model's third version.</param>
    /// <exception cref="InvalidDataException">The file is no such vocabulary.</exception>
    public static TiktokenTokenizer Whisper(string path, int languages = 99)
    {
        int ranks = Lines(path).Count(l => l.Length > 0);
        return Tiktoken(path, WhisperTokens(ranks, languages));
    }

    /// <summary>Of BERT: WordPiece over lower-case words. <c>EncodeToIds</c> puts <c>[CLS]</c> and <c>[SEP]</c> around.</summary>
    /// <remarks>Accents are taken off where .NET has ICU; with <c>InvariantGlobalization</c> a word that has some may be unknown.</remarks>
    /// <param name="path"><c>vocab.txt</c>, a piece a line.</param>
    /// <param name="lowerCase">Whether texts are made lower-case and lose their accents.</param>
    /// <exception cref="InvalidDataException">The file is no such vocabulary.</exception>
    public static BertTokenizer Bert(string path, bool lowerCase = true) =>
        Read(
            path,
            file =>
                BertTokenizer.Create(
                    file,
                    new BertOptions { LowerCaseBeforeTokenization = lowerCase, RemoveNonSpacingMarks = lowerCase }
                )
        );

    /// <summary>Of a SentencePiece model (<c>tokenizer.model</c>), which may be of byte pairs or unigrams.</summary>
    /// <param name="path">The file.</param>
    /// <param name="addBeginning">Whether <c>EncodeToIds</c> puts the token of the beginning first.</param>
    /// <exception cref="InvalidDataException">The file is no such model.</exception>
    public static SentencePieceTokenizer SentencePiece(string path, bool addBeginning = true) =>
        Read(path, file => SentencePieceTokenizer.Create(file, addBeginning, addEndOfSentence: false));

    /// <summary>
    /// Of llama2.c: <c>tokenizer.bin</c>, or lines of a piece, a tab and a score, as <c>.vocab</c> files of SentencePiece have them.
    /// </summary>
    /// <param name="path">The file.</param>
    /// <param name="addBeginning">Whether <c>EncodeToIds</c> puts the token of the beginning (id 1) first.</param>
    /// <exception cref="InvalidDataException">The file is no such vocabulary.</exception>
    public static SentencePieceTokenizer Llama2C(string path, bool addBeginning = true)
    {
        ArgumentException.ThrowIfNullOrEmpty(path);
        var pieces = Path.GetExtension(path) == ".vocab" ? ScoredLines(path) : Picograd.Llama2C.LoadVocabulary(path);
        if (pieces.Count < 4)
            throw new InvalidDataException($"{path} is no vocabulary that can be read: it has {pieces.Count} pieces.");
        return Read(
            path,
            _ => SentencePieceTokenizer.Create(SentencePieceModel(pieces), addBeginning, addEndOfSentence: false)
        );
    }

    private const string EndOfText = "<|endoftext|>";

    // As it is in GPT-2's encoder.py.
    [GeneratedRegex(@"'s|'t|'re|'ve|'m|'ll|'d| ?\p{L}+| ?\p{N}+| ?[^\s\p{L}\p{N}]+|\s+(?!\S)|\s+")]
    private static partial Regex Gpt2Words();

    private static readonly string[] Languages =
    [
        .. (
            "en zh de es ru ko fr ja pt tr pl ca nl ar sv it id hi fi vi he uk el ms cs ro da hu ta no th ur hr bg lt la mi ml cy sk te fa lv bn "
            + "sr az sl kn et mk br eu is hy ne mn bs kk sq sw gl mr pa si km sn yo so af oc ka be tg sd gu am yi lo uz fo ht ps tk nn mt sa lb "
            + "my bo tl mg as tt haw ln ha ba jw su yue"
        ).Split(' '),
    ];

    private static Dictionary<string, int> WhisperTokens(int first, int languages)
    {
        if (languages is not (99 or 100))
            throw new ArgumentOutOfRangeException(
                nameof(languages),
                $"Whisper: {languages} languages; models know 99 or 100."
            );
        string[] tokens =
        [
            EndOfText,
            "<|startoftranscript|>",
            .. Languages.Take(languages).Select(l => $"<|{l}|>"),
            "<|translate|>",
            "<|transcribe|>",
            "<|startoflm|>",
            "<|startofprev|>",
            "<|nospeech|>",
            "<|notimestamps|>",
            .. Enumerable
                .Range(0, 1501)
                .Select(i => string.Create(System.Globalization.CultureInfo.InvariantCulture, $"<|{i * 0.02:F2}|>")),
        ];
        return tokens.Select((t, i) => (t, i)).ToDictionary(p => p.t, p => first + p.i);
    }

    // Whisper's file ends with a token of no bytes, which its own reader skips, too.
    private static MemoryStream Ranks(string path) =>
        new(
            Encoding.ASCII.GetBytes(
                string.Join('\n', Lines(path).Where(l => !l.StartsWith("= ", StringComparison.Ordinal)))
            )
        );

    private static List<(string, float)> ScoredLines(string path)
    {
        var pieces = new List<(string, float)>();
        foreach (string line in Lines(path).Where(l => l.Length > 0))
        {
            int tab = line.LastIndexOf('\t');
            if (
                tab < 0
                || !float.TryParse(
                    line.AsSpan(tab + 1),
                    System.Globalization.NumberStyles.Float,
                    System.Globalization.CultureInfo.InvariantCulture,
                    out float score
                )
            )
                throw new InvalidDataException(
                    $"{path} is no vocabulary that can be read: line {pieces.Count + 1} has no tab with a score behind."
                );
            pieces.Add((line[..tab], score));
        }
        return pieces;
    }

    // The pieces as SentencePiece's own file has them (sentencepiece_model.proto), which is what the tokenizer reads.
    private static MemoryStream SentencePieceModel(IReadOnlyList<(string Piece, float Score)> pieces)
    {
        const int Normal = 1;
        const int Unknown = 2;
        const int Control = 3;
        const int Byte = 6;
        var file = new MemoryStream();
        using (var model = new CodedOutputStream(file, leaveOpen: true))
        {
            for (int id = 0; id < pieces.Count; id++)
            {
                var (piece, score) = pieces[id];
                int type =
                    id == 0 ? Unknown
                    : id <= 2 ? Control
                    : ByteToken().IsMatch(piece) ? Byte
                    : Normal;
                string text = id switch
                {
                    0 => "<unk>",
                    1 => "<s>",
                    2 => "</s>",
                    _ => piece.Replace(' ', '\u2581'),
                };
                Message(
                    model,
                    1,
                    part =>
                    {
                        part.WriteTag(1, WireFormat.WireType.LengthDelimited);
                        part.WriteString(text);
                        part.WriteTag(2, WireFormat.WireType.Fixed32);
                        part.WriteFloat(score);
                        part.WriteTag(3, WireFormat.WireType.Varint);
                        part.WriteInt32(type);
                    }
                );
            }
            // The trainer: byte pairs; unknown characters as bytes where there are tokens for them.
            Message(
                model,
                2,
                part =>
                {
                    Number(part, 3, 2);
                    Number(part, 35, pieces.Any(p => ByteToken().IsMatch(p.Piece)) ? 1 : 0);
                    Number(part, 40, 0);
                    Number(part, 41, 1);
                    Number(part, 42, 2);
                }
            );
            // Texts: a space before the first word, spaces kept and written as U+2581.
            Message(
                model,
                3,
                part =>
                {
                    Number(part, 3, 1);
                    Number(part, 4, 0);
                    Number(part, 5, 1);
                }
            );
        }
        file.Position = 0;
        return file;

        static void Number(CodedOutputStream to, int field, int value)
        {
            to.WriteTag(field, WireFormat.WireType.Varint);
            to.WriteInt32(value);
        }

        static void Message(CodedOutputStream to, int field, Action<CodedOutputStream> write)
        {
            using var bytes = new MemoryStream();
            using (var part = new CodedOutputStream(bytes, leaveOpen: true))
                write(part);
            to.WriteTag(field, WireFormat.WireType.LengthDelimited);
            to.WriteBytes(ByteString.CopyFrom(bytes.ToArray()));
        }
    }

    [GeneratedRegex("^<0x[0-9A-F]{2}>$")]
    private static partial Regex ByteToken();

    private static TTokenizer Read<TTokenizer>(string path, Func<Stream, TTokenizer> read)
        where TTokenizer : Tokenizer
    {
        using var file = new MemoryStream(Bytes(path));
        try
        {
            return read(file);
        }
        catch (Exception e)
            when (e
                    is ArgumentException
                        or FormatException
                        or InvalidOperationException
                        or System.Text.Json.JsonException
                        or KeyNotFoundException
                        or InvalidProtocolBufferException
                        or IndexOutOfRangeException
                        // What the library's reader of SentencePiece models throws where a part is missing.
                        or NullReferenceException
            )
        {
            throw new InvalidDataException($"{path} is no vocabulary that can be read: {e.Message}", e);
        }
    }

    private static byte[] Bytes(string path)
    {
        ArgumentException.ThrowIfNullOrEmpty(path);
        using var file = File.OpenRead(path);
        Stream from = path.EndsWith(".gz", StringComparison.OrdinalIgnoreCase)
            ? new GZipStream(file, CompressionMode.Decompress)
            : file;
        // One byte more than allowed tells a file that is longer.
        using var made = new MemoryStream();
        byte[] piece = new byte[1 << 16];
        for (int got; (got = from.Read(piece)) > 0; )
        {
            if (made.Length + got > Longest)
                throw new InvalidDataException(
                    $"{path} is no vocabulary that can be read: it has more than {Longest} bytes."
                );
            made.Write(piece, 0, got);
        }
        return made.ToArray();
    }

    private static string[] Lines(string path) =>
        Encoding.UTF8.GetString(Bytes(path)).Split('\n').Select(l => l.TrimEnd('\r')).ToArray();
}
