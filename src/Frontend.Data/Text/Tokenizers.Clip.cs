using System.Text.RegularExpressions;
using Microsoft.ML.Tokenizers;

namespace Picograd.Data;

public static partial class Tokenizers
{
    // 49,152 tokens but the 512 of bytes and two special ones: the file has more merges, which CLIP does not use.
    private const int ClipMerges = 49152 - 256 - 2;
    private const string WordEnd = "</w>";
    private const string ClipStart = "<|startoftext|>";

    /// <summary>
    /// Of CLIP: byte pairs over lower-case words, whose last piece carries <c>&lt;/w&gt;</c>. <see cref="ClipIds"/> makes what the text
    /// encoder takes. <c>Decode</c> leaves out the spaces between words.
    /// </summary>
    /// <param name="path"><c>bpe_simple_vocab_16e6.txt.gz</c>, or the same unpacked.</param>
    /// <exception cref="InvalidDataException">The file is no such vocabulary.</exception>
    public static BpeTokenizer Clip(string path) =>
        Read(
            path,
            _ =>
            {
                string[] merges = [.. Lines(path).Skip(1).Take(ClipMerges)];
                var pieces = new List<string>();
                string[] bytes = [.. ByteAlphabet().Select(c => c.ToString())];
                pieces.AddRange(bytes);
                pieces.AddRange(bytes.Select(b => b + WordEnd));
                pieces.AddRange(merges.Select(m => m.Replace(" ", "", StringComparison.Ordinal)));
                pieces.Add(ClipStart);
                pieces.Add(EndOfText);
                var ids = new Dictionary<string, int>();
                for (int i = 0; i < pieces.Count; i++)
                {
                    if (!ids.TryAdd(pieces[i], i))
                        throw new FormatException($"the piece '{pieces[i]}' is there twice.");
                }
                var special = new Dictionary<string, int>
                {
                    [ClipStart] = ids[ClipStart],
                    [EndOfText] = ids[EndOfText],
                };
                return BpeTokenizer.Create(
                    new BpeOptions(ids)
                    {
                        Merges = merges,
                        ByteLevel = true,
                        EndOfWordSuffix = WordEnd,
                        Normalizer = LowerCaseNormalizer.Instance,
                        PreTokenizer = new RegexPreTokenizer(ClipWords(), special),
                        SpecialTokens = special,
                    }
                );
            }
        );

    [GeneratedRegex(@"'s|'t|'re|'ve|'m|'ll|'d|[\p{L}]+|[\p{N}]|[^\s\p{L}\p{N}]+", RegexOptions.IgnoreCase)]
    private static partial Regex ClipWords();

    /// <summary>
    /// What CLIP's text encoder takes: the token of the start, those of the text, that of the end, then as many of the end (or zeros) as
    /// make up the length.
    /// </summary>
    /// <param name="tokenizer">Of <see cref="Clip"/>.</param>
    /// <param name="text">Any text; what is too long is cut, as CLIP's <c>truncate</c> does.</param>
    /// <param name="length">77 of CLIP and Stable Diffusion.</param>
    /// <param name="pad">Id behind the end: 0 of OpenAI's CLIP; that of the end (the default) of Stable Diffusion 1.</param>
    /// <returns>int64 [length].</returns>
    public static Tensor ClipIds(BpeTokenizer tokenizer, string text, int length = 77, int? pad = null)
    {
        ArgumentNullException.ThrowIfNull(tokenizer);
        ArgumentNullException.ThrowIfNull(text);
        ArgumentOutOfRangeException.ThrowIfLessThan(length, 2);
        int start = tokenizer.Vocabulary[ClipStart];
        int end = tokenizer.Vocabulary[EndOfText];
        long[] ids = new long[length];
        ids.AsSpan().Fill(pad ?? end);
        ids[0] = start;
        int at = 1;
        foreach (int id in tokenizer.EncodeToIds(text).Take(length - 2))
            ids[at++] = id;
        ids[at] = end;
        return Tensor.From(ids);
    }

    // Printable characters stand for themselves, the others for those from U+0100 on: bytes_to_unicode of GPT-2's encoder.py.
    private static IEnumerable<char> ByteAlphabet()
    {
        static bool IsPrinted(int b) => b is (>= '!' and <= '~') or (>= '¡' and <= '¬') or (>= '®' and <= 'ÿ');
        for (int b = 0; b < 256; b++)
        {
            if (IsPrinted(b))
                yield return (char)b;
        }
        int next = 256;
        for (int b = 0; b < 256; b++)
        {
            if (!IsPrinted(b))
                yield return (char)next++;
        }
    }
}
