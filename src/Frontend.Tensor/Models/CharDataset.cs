using System.Text;
using Picograd.TuneDb;

namespace Picograd.Models;

/// <summary>
/// Words, one a line, as examples for a character model: the characters before each character, padded in front with the
/// mark of beginning and end. Index 0 is that mark; the characters of the data follow in ordinal order.
/// </summary>
public sealed class CharDataset
{
    private readonly Dictionary<char, int> _indices;
    private readonly char[] _characters;

    /// <param name="words">Non-empty words.</param>
    /// <param name="context">Characters that a prediction sees; at least 1.</param>
    /// <param name="seed">Order in which words are dealt to training, development and test (80, 10 and 10 %).</param>
    /// <exception cref="ArgumentException">Too few words to deal out, or no characters.</exception>
    public CharDataset(IEnumerable<string> words, int context = 3, long seed = 42)
    {
        ArgumentNullException.ThrowIfNull(words);
        ArgumentOutOfRangeException.ThrowIfLessThan(context, 1);
        string[] list = [.. words.Where(w => w.Length > 0)];
        if (list.Length < 10)
            throw new ArgumentException(
                $"A character dataset needs at least 10 words, one a line, but there are {list.Length}."
            );
        Context = context;
        WordCount = list.Length;
        _characters = ['.', .. list.SelectMany(w => w).Where(c => c != '.').Distinct().Order()];
        _indices = _characters.Select((c, i) => (c, i)).ToDictionary(p => p.c, p => p.i);
        Shuffle(list, seed);
        int train = list.Length * 8 / 10;
        int dev = list.Length * 9 / 10;
        Train = Examples(list.AsSpan(0, train));
        Dev = Examples(list.AsSpan(train, dev - train));
        Test = Examples(list.AsSpan(dev));
    }

    // A few million words.
    private const int MostBytes = 64 << 20;

    /// <summary>Reads a text file, one word a line; blanks around a word do not count.</summary>
    /// <exception cref="InvalidDataException">The file cannot be read, is not text in UTF-8, or has too few words; the message
    /// names the file and says which.</exception>
    public static CharDataset Load(string path, int context = 3, long seed = 42)
    {
        ArgumentException.ThrowIfNullOrWhiteSpace(path);
        if (RegularFile.Problem(path) is { } clause)
            throw new InvalidDataException($"The data file '{path}' {clause}.");
        string text;
        try
        {
            if (new FileInfo(path) is { Exists: true, Length: > MostBytes and var length })
                throw new InvalidDataException($"The data file '{path}' has {length} bytes, but may have {MostBytes}.");
            text = new UTF8Encoding(false, throwOnInvalidBytes: true).GetString(File.ReadAllBytes(path));
        }
        catch (Exception e) when (e is IOException or UnauthorizedAccessException or NotSupportedException)
        {
            string why =
                e is FileNotFoundException or DirectoryNotFoundException ? "there is no such file"
                : Directory.Exists(path) ? "it is a folder"
                : e.Message.TrimEnd('.');
            throw new InvalidDataException($"The data file '{path}' cannot be read: {why}.", e);
        }
        catch (DecoderFallbackException e)
        {
            throw new InvalidDataException($"The data file '{path}' is not text in UTF-8: it has other bytes.", e);
        }
        if (text.Any(c => char.IsControl(c) && c is not ('\n' or '\r' or '\t')))
            throw new InvalidDataException($"The data file '{path}' is not text: it has control characters.");
        string[] words = text.TrimStart('\uFEFF')
            .Split('\n', StringSplitOptions.RemoveEmptyEntries | StringSplitOptions.TrimEntries);
        try
        {
            return new CharDataset(words, context, seed);
        }
        catch (ArgumentException e)
        {
            throw new InvalidDataException($"The data file '{path}' is of no use: {e.Message}", e);
        }
    }

    /// <summary>Characters that a prediction sees.</summary>
    public int Context { get; }

    /// <summary>Number of words.</summary>
    public int WordCount { get; }

    /// <summary>Number of different characters, the mark of beginning and end included.</summary>
    public int Vocabulary => _characters.Length;

    /// <summary>Examples to learn from.</summary>
    public CharExamples Train { get; }

    /// <summary>Examples to choose settings by.</summary>
    public CharExamples Dev { get; }

    /// <summary>Examples to state results on.</summary>
    public CharExamples Test { get; }

    /// <summary>The character of an index; '.' for the mark.</summary>
    public char Character(long index) => _characters[index];

    private CharExamples Examples(ReadOnlySpan<string> words)
    {
        int count = 0;
        foreach (string word in words)
            count += word.Length + 1;
        long[] contexts = new long[count * Context];
        long[] targets = new long[count];
        Span<long> window = stackalloc long[Context];
        int at = 0;
        foreach (string word in words)
        {
            window.Clear();
            for (int i = 0; i <= word.Length; i++)
            {
                long target = i < word.Length && word[i] != '.' ? _indices[word[i]] : 0;
                window.CopyTo(contexts.AsSpan(at * Context));
                targets[at++] = target;
                window[1..].CopyTo(window);
                window[^1] = target;
            }
        }
        return new CharExamples(contexts, targets, Context);
    }

    // Fisher and Yates, by a small generator of our own so that the split is the same on every version of .NET.
    private static void Shuffle(string[] list, long seed)
    {
        ulong state = (ulong)seed;
        for (int i = list.Length - 1; i > 0; i--)
        {
            int j = (int)(CharExamples.Next(ref state) % (ulong)(i + 1));
            (list[i], list[j]) = (list[j], list[i]);
        }
    }
}

/// <summary>Contexts and the characters that follow them.</summary>
public sealed class CharExamples
{
    private readonly long[] _contexts;
    private readonly long[] _targets;
    private readonly int _context;

    internal CharExamples(long[] contexts, long[] targets, int context)
    {
        _contexts = contexts;
        _targets = targets;
        _context = context;
    }

    /// <summary>Number of examples.</summary>
    public int Count => _targets.Length;

    /// <summary>Consecutive examples: contexts [count, context] and targets [count], int64.</summary>
    public (Tensor Contexts, Tensor Targets) Slice(int start, int count) =>
        (
            Tensor.From(_contexts.AsSpan(start * _context, count * _context), [count, _context]),
            Tensor.From(_targets.AsSpan(start, count), [count])
        );

    /// <summary>Examples drawn at random, with replacement; <paramref name="state"/> is that of the drawing.</summary>
    public (Tensor Contexts, Tensor Targets) Batch(int size, ref ulong state)
    {
        long[] contexts = new long[size * _context];
        long[] targets = new long[size];
        for (int i = 0; i < size; i++)
        {
            int at = (int)(Next(ref state) % (ulong)Count);
            _contexts.AsSpan(at * _context, _context).CopyTo(contexts.AsSpan(i * _context));
            targets[i] = _targets[at];
        }
        return (Tensor.From<long>(contexts, [size, _context]), Tensor.From<long>(targets, [size]));
    }

    // SplitMix64 (Steele, Lea and Flood, 2014).
    internal static ulong Next(ref ulong state)
    {
        ulong z = state += 0x9E3779B97F4A7C15;
        z = (z ^ (z >> 30)) * 0xBF58476D1CE4E5B9;
        z = (z ^ (z >> 27)) * 0x94D049BB133111EB;
        return z ^ (z >> 31);
    }
}
