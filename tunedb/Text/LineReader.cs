using System.Text;

namespace Picograd.TuneDb.Text;

/// <summary>Lines of a text, none longer than a limit: a file without line breaks is refused before it fills the memory.</summary>
internal sealed class LineReader(TextReader reader)
{
    /// <summary>Characters of a line: some hundred times what exports have.</summary>
    public const int Longest = 256 << 10;

    private readonly char[] _buffer = new char[16 << 10];
    private readonly StringBuilder _line = new();
    private int _at;
    private int _count;
    private long _number;

    /// <summary>The next line without its break; null at the end.</summary>
    /// <exception cref="TuneDbException">The line is too long.</exception>
    public string? ReadLine()
    {
        _line.Clear();
        _number++;
        while (true)
        {
            if (_at == _count)
            {
                _at = 0;
                _count = reader.Read(_buffer, 0, _buffer.Length);
                if (_count == 0)
                {
                    return _line.Length > 0 ? Line() : null;
                }
            }

            var rest = _buffer.AsSpan(_at, _count - _at);
            var end = rest.IndexOf('\n');
            _line.Append(end < 0 ? rest : rest[..end]);
            _at += end < 0 ? rest.Length : end + 1;
            if (_line.Length > Longest)
            {
                throw new TuneDbException(
                    TuneDbErrorKind.BadText,
                    null,
                    $"The text of exported winners has more than {Longest} characters in line {_number}, so it is no export."
                );
            }

            if (end >= 0)
            {
                return Line();
            }
        }
    }

    private string Line()
    {
        if (_line.Length > 0 && _line[^1] == '\r')
        {
            _line.Length--;
        }

        return _line.ToString();
    }
}
