using System.Globalization;
using System.Text;

namespace Picograd.Algorithms.Text;

internal enum TokenKind
{
    /// <summary>A word or a quoted name.</summary>
    Name,
    Number,

    /// <summary>A sign of one or two characters.</summary>
    Sign,

    /// <summary>The end of a line outside of brackets.</summary>
    LineEnd,
    End,
}

/// <param name="Kind">What it is.</param>
/// <param name="Text">A name without its quotes, a number as it is written.</param>
/// <param name="Line">Counted from 1.</param>
/// <param name="Column">Counted from 1.</param>
/// <param name="IsQuoted">Between backticks: a name, never a word of the grammar.</param>
internal readonly record struct Token(TokenKind Kind, string Text, int Line, int Column, bool IsQuoted = false)
{
    public override string ToString() =>
        Kind switch
        {
            TokenKind.LineEnd => "the end of the line",
            TokenKind.End => "the end of the text",
            _ => $"'{Shown}'",
        };

    private string Shown => Text.Length > 40 ? Text[..40] + "…" : Text;
}

/// <summary>Cuts a text into tokens. '#' begins a comment; line ends within brackets do not count.</summary>
internal sealed class Lexer
{
    private static readonly string[] LongSigns = ["..", "//", "<<", ">>", "<=", ">=", "==", "!=", "&&", "||"];
    private const string ShortSigns = "()[],:=<>+-*/%&|^!";

    private static readonly HashSet<string> Reserved =
    [
        "true",
        "false",
        "over",
        "where",
        "Infinity",
        "NaN",
        "algorithm",
        "parameter",
        "input",
        "reducer",
        "output",
    ];

    private readonly string _text;
    private readonly List<Token> _tokens = [];
    private readonly Stack<Token> _open = new();
    private int _at;
    private int _line = 1;
    private int _lineStart;

    private Lexer(string text) => _text = text;

    /// <summary>All tokens; the last is <see cref="TokenKind.End"/>.</summary>
    /// <exception cref="AlgorithmTextException">A character or number that no text has, or brackets that do not pair.</exception>
    public static List<Token> Read(string text)
    {
        if (text.Length > TextLimits.Characters)
        {
            throw new AlgorithmTextException(
                FormattableString.Invariant(
                    $"the text has {text.Length} characters, but at most {TextLimits.Characters} are allowed"
                ),
                1,
                1
            );
        }
        var lexer = new Lexer(text);
        lexer.Read();
        return lexer._tokens;
    }

    /// <summary>Whether a name stands for itself, without quotes.</summary>
    public static bool IsPlain(string name) =>
        name.Length > 0
        && IsFirst(name[0])
        && name.All(IsLater)
        && !Reserved.Contains(name)
        && !name.Contains("..", StringComparison.Ordinal)
        && !name.StartsWith("NaN.", StringComparison.Ordinal)
        && !name.StartsWith("Infinity.", StringComparison.Ordinal);

    private static bool IsFirst(char c) => char.IsLetter(c) || c == '_';

    private static bool IsLater(char c) => char.IsLetterOrDigit(c) || c is '_' or '.';

    private int Column => _at - _lineStart + 1;

    private void Read()
    {
        while (_at < _text.Length)
        {
            char c = _text[_at];
            if (c == '\n')
            {
                EndLine();
                _at++;
                _line++;
                _lineStart = _at;
            }
            else if (c is ' ' or '\t' or '\r')
                _at++;
            else if (c == '#')
            {
                while (_at < _text.Length && _text[_at] != '\n')
                    _at++;
            }
            else if (c == '`')
                ReadQuoted();
            else if (IsFirst(c))
                ReadName();
            else if (char.IsAsciiDigit(c))
                ReadNumber();
            else
                ReadSign();
        }
        if (_open.TryPeek(out var left))
            throw new AlgorithmTextException($"{left} is not closed", left.Line, left.Column);
        EndLine();
        Add(TokenKind.End, "");
    }

    // Empty lines are none.
    private void EndLine()
    {
        if (_open.Count == 0 && _tokens.Count > 0 && _tokens[^1].Kind != TokenKind.LineEnd)
            Add(TokenKind.LineEnd, "");
    }

    private void ReadName()
    {
        int start = _at;
        int column = Column;
        while (_at < _text.Length && IsLater(_text[_at]))
        {
            // "n..m" is a range.
            if (_text[_at] == '.' && _at + 1 < _text.Length && _text[_at + 1] == '.')
                break;
            _at++;
        }
        _tokens.Add(new(TokenKind.Name, _text[start.._at], _line, column));
    }

    private void ReadQuoted()
    {
        int column = Column;
        var name = new StringBuilder();
        for (_at++; ; _at++)
        {
            if (_at >= _text.Length || _text[_at] == '\n')
                throw new AlgorithmTextException("the name is not closed with '`'", _line, column);
            char c = _text[_at];
            if (c == '`')
                break;
            if (c == '\\')
            {
                if (
                    _at + 4 >= _text.Length
                    || !ushort.TryParse(
                        _text.AsSpan(_at + 1, 4),
                        NumberStyles.AllowHexSpecifier,
                        CultureInfo.InvariantCulture,
                        out ushort code
                    )
                )
                    throw Wrong("'\\' in a name is followed by four hexadecimal digits");
                name.Append((char)code);
                _at += 4;
                continue;
            }
            name.Append(c);
        }
        _at++;
        if (name.Length == 0)
            throw new AlgorithmTextException("the name is empty", _line, column);
        _tokens.Add(new(TokenKind.Name, name.ToString(), _line, column, IsQuoted: true));
    }

    // Digits, a fraction, an exponent, and the name of a type.
    private void ReadNumber()
    {
        int start = _at;
        int column = Column;
        Digits();
        if (_at + 1 < _text.Length && _text[_at] == '.' && char.IsAsciiDigit(_text[_at + 1]))
        {
            _at++;
            Digits();
        }
        if (_at < _text.Length && _text[_at] is 'e' or 'E')
        {
            int exponent = _at + 1;
            if (exponent < _text.Length && _text[exponent] is '+' or '-')
                exponent++;
            if (exponent < _text.Length && char.IsAsciiDigit(_text[exponent]))
            {
                _at = exponent;
                Digits();
            }
        }
        while (_at < _text.Length && (char.IsLetterOrDigit(_text[_at]) || _text[_at] == '_'))
            _at++;
        _tokens.Add(new(TokenKind.Number, _text[start.._at], _line, column));
    }

    private void Digits()
    {
        while (_at < _text.Length && char.IsAsciiDigit(_text[_at]))
            _at++;
    }

    private void ReadSign()
    {
        string sign = LongSigns.FirstOrDefault(s => string.CompareOrdinal(_text, _at, s, 0, s.Length) == 0) ?? "";
        if (sign.Length == 0 && ShortSigns.Contains(_text[_at], StringComparison.Ordinal))
            sign = _text[_at].ToString();
        if (sign.Length == 0)
        {
            string shown =
                char.IsControl(_text[_at]) || char.IsSurrogate(_text[_at])
                    ? string.Create(CultureInfo.InvariantCulture, $"the character {(int)_text[_at]:x4}")
                    : $"'{_text[_at]}'";
            throw Wrong($"{shown} has no meaning here");
        }
        var token = new Token(TokenKind.Sign, sign, _line, Column);
        if (sign is "(" or "[")
        {
            if (_open.Count >= TextLimits.Nesting)
                throw Wrong($"more than {TextLimits.Nesting} brackets within one another");
            _open.Push(token);
        }
        if (sign is ")" or "]")
        {
            if (!_open.TryPop(out var opened))
                throw Wrong($"'{sign}' closes nothing");
            if (opened.Text == "(" != (sign == ")"))
                throw Wrong(
                    FormattableString.Invariant(
                        $"'{sign}' does not close the '{opened.Text}' of line {opened.Line}, column {opened.Column}"
                    )
                );
        }
        _tokens.Add(token);
        _at += sign.Length;
    }

    private void Add(TokenKind kind, string text) => _tokens.Add(new(kind, text, _line, Column));

    private AlgorithmTextException Wrong(string problem) => new(problem, _line, Column);
}
