using System.Text;

namespace Picograd.Lower.Cuda.Codegen;

/// <summary>Lines of text in nested pieces: a piece may be filled after what follows it was written.</summary>
internal sealed class CodeText
{
    private readonly List<object> _items = [];

    public void Line(string text) => _items.Add(text);

    /// <summary>A piece at this place.</summary>
    public CodeText Piece()
    {
        var piece = new CodeText();
        _items.Add(piece);
        return piece;
    }

    /// <summary>A piece one level deeper at this place.</summary>
    public CodeText Indented()
    {
        var piece = new CodeText();
        _items.Add((piece, true));
        return piece;
    }

    public bool IsEmpty => _items.All(i => i is CodeText { IsEmpty: true });

    public void Write(StringBuilder text, int depth)
    {
        foreach (object item in _items)
        {
            switch (item)
            {
                case string line when line.Length == 0:
                    text.Append('\n');
                    break;
                case string line when line.StartsWith('#'):
                    text.Append(line).Append('\n');
                    break;
                case string line:
                    text.Append(' ', 2 * depth).Append(line).Append('\n');
                    break;
                case CodeText piece:
                    piece.Write(text, depth);
                    break;
                case (CodeText piece, true):
                    piece.Write(text, depth + 1);
                    break;
                default:
                    throw new InvalidOperationException($"no text for {item.GetType().Name}");
            }
        }
    }
}
