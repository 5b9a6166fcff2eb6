namespace Picograd.Algorithms;

/// <summary>What somebody may have meant by an unknown word.</summary>
public static class Spelling
{
    private const int MostNames = 3;

    /// <summary>
    /// The known words nearest to an unknown one, at most three and equally near: a few letters left out, too many, wrong or
    /// swapped (one in three letters at most; case does not count), else words that begin with it. Empty where none is near.
    /// </summary>
    public static IReadOnlyList<string> Nearest(string word, IEnumerable<string> known)
    {
        ArgumentNullException.ThrowIfNull(word);
        string wanted = word.ToLowerInvariant();
        // Of words of one letter only the case may be wrong.
        int most = wanted.Length < 2 ? 0 : Math.Max(1, wanted.Length / 3);
        string[] words = [.. known.Distinct()];
        var near = words
            .Select(k => (Word: k, Distance: Distance(wanted, k.ToLowerInvariant())))
            .Where(k => k.Distance <= most && k.Distance < Math.Max(k.Word.Length, 1))
            .ToList();
        if (near.Count > 0)
        {
            int least = near.Min(k => k.Distance);
            return [.. near.Where(k => k.Distance == least).Select(k => k.Word).Take(MostNames)];
        }
        return wanted.Length < 3
            ? []
            : [.. words.Where(k => k.StartsWith(wanted, StringComparison.OrdinalIgnoreCase)).Take(MostNames)];
    }

    /// <summary>" (did you mean matmul?)", or nothing where no known word is near.</summary>
    public static string Hint(string word, IEnumerable<string> known) => Hint(Nearest(word, known));

    /// <summary>" (did you mean add or and?)" of words that are near; nothing of none.</summary>
    public static string Hint(IReadOnlyList<string> near)
    {
        ArgumentNullException.ThrowIfNull(near);
        return near.Count switch
        {
            0 => "",
            1 => $" (did you mean {near[0]}?)",
            _ => $" (did you mean {string.Join(", ", near.SkipLast(1))} or {near[^1]}?)",
        };
    }

    /// <summary>
    /// Letters to insert, delete, replace or swap with their neighbour, none of them twice (optimal string alignment).
    /// </summary>
    private static int Distance(string a, string b)
    {
        var (before, last, next) = (new int[b.Length + 1], new int[b.Length + 1], new int[b.Length + 1]);
        for (int j = 0; j <= b.Length; j++)
            last[j] = j;
        for (int i = 1; i <= a.Length; i++)
        {
            next[0] = i;
            for (int j = 1; j <= b.Length; j++)
            {
                int replaced = last[j - 1] + (a[i - 1] == b[j - 1] ? 0 : 1);
                next[j] = Math.Min(replaced, Math.Min(last[j], next[j - 1]) + 1);
                if (i > 1 && j > 1 && a[i - 1] == b[j - 2] && a[i - 2] == b[j - 1])
                    next[j] = Math.Min(next[j], before[j - 2] + 1);
            }
            (before, last, next) = (last, next, before);
        }
        return last[b.Length];
    }
}
