using System.Globalization;

namespace Picograd.Formats;

/// <summary>
/// Reads the header of an npy file, a dictionary as Python writes it: strings, True and False, tuples of integers. Anything else, such as
/// the lists that describe records, is null.
/// </summary>
internal sealed class NpyHeader(string text, Func<int, InvalidDataException> wrong)
{
    private int _at;

    public static Dictionary<string, object?> Parse(string text, Func<int, InvalidDataException> wrong) =>
        new NpyHeader(text, wrong).Dictionary();

    private char Next => _at < text.Length ? text[_at] : '\0';

    private Dictionary<string, object?> Dictionary()
    {
        var made = new Dictionary<string, object?>();
        Expect('{');
        while (!Took('}'))
        {
            string key = String();
            Expect(':');
            if (!made.TryAdd(key, Value()))
                throw wrong(_at);
            if (!Took(','))
            {
                Expect('}');
                break;
            }
        }
        Skip();
        return _at == text.Length ? made : throw wrong(_at);
    }

    private object? Value()
    {
        Skip();
        if (Next is '\'' or '"')
            return String();
        if (Word("True"))
            return true;
        if (Word("False"))
            return false;
        if (Took('('))
        {
            var numbers = new List<long>();
            while (!Took(')'))
            {
                numbers.Add(Integer());
                if (!Took(','))
                {
                    Expect(')');
                    break;
                }
            }
            return numbers.ToArray();
        }
        if (Next != '[')
            throw wrong(_at);
        // Records: what they are is not asked.
        int depth = 0;
        do
        {
            if (Next == '\0')
                throw wrong(_at);
            depth +=
                Next == '[' ? 1
                : Next == ']' ? -1
                : 0;
            _at++;
        } while (depth > 0);
        return null;
    }

    private string String()
    {
        Skip();
        char quote = Next;
        if (quote is not ('\'' or '"'))
            throw wrong(_at);
        int end = text.IndexOf(quote, _at + 1);
        if (end < 0)
            throw wrong(_at);
        string made = text[(_at + 1)..end];
        _at = end + 1;
        return made.Contains('\\') ? throw wrong(_at) : made;
    }

    private long Integer()
    {
        Skip();
        int start = _at;
        while (char.IsAsciiDigit(Next))
            _at++;
        if (
            !long.TryParse(
                text.AsSpan(start, _at - start),
                NumberStyles.None,
                CultureInfo.InvariantCulture,
                out long number
            )
        )
            throw wrong(start);
        // As Python 2 wrote them.
        if (Next == 'L')
            _at++;
        return number;
    }

    private bool Word(string word)
    {
        if (string.CompareOrdinal(text, _at, word, 0, word.Length) != 0)
            return false;
        _at += word.Length;
        return true;
    }

    private bool Took(char sign)
    {
        Skip();
        if (Next != sign)
            return false;
        _at++;
        return true;
    }

    private void Expect(char sign)
    {
        if (!Took(sign))
            throw wrong(_at);
    }

    private void Skip()
    {
        while (Next is ' ' or '\n' or '\t' or '\r')
            _at++;
    }
}
