using System.Buffers.Binary;
using System.Globalization;
using System.Numerics;
using System.Text;

namespace Picograd.Formats;

/// <summary>A name of Python's in a pickle.</summary>
internal sealed record PickleName(string Module, string Name)
{
    public override string ToString() => $"{Module}.{Name}";
}

/// <summary>An object of a class that means nothing here, with what it is made of. None of the class's code is run, as there is none.</summary>
internal sealed class PickleObject(PickleName name, object?[] arguments)
{
    public PickleName Name => name;

    public object?[] Arguments => arguments;

    public object? State { get; set; }
}

/// <summary>A dictionary with the attributes that Python's may have.</summary>
internal sealed class PickleDictionary
{
    public OrderedDictionary<object, object?> Items { get; } = [];
}

/// <summary>
/// Reads pickles of protocols 0 to 5 without executing any: names of functions and classes are looked up in the list that the caller
/// has (<paramref name="make"/>), and everything else is refused. Values are null, bool, int64, BigInteger, float64, strings, byte arrays,
/// <c>List&lt;object?&gt;</c> (lists and sets), <c>object?[]</c> (tuples), dictionaries, and what the caller makes. Memory taken is in
/// proportion to the bytes read. Source: <c>pickletools.py</c> of CPython.
/// </summary>
/// <param name="bytes">The pickle, from its first byte; more may follow it.</param>
/// <param name="wrong">The error for a place in it.</param>
/// <param name="make">What a call of a name makes of arguments; throws for those that it does not know.</param>
/// <param name="persistent">What a reference to something outside is.</param>
internal ref struct Pickle(
    ReadOnlySpan<byte> bytes,
    Func<long, string, Exception> wrong,
    Func<PickleName, object?[], object?> make,
    Func<object?, object?> persistent
)
{
    private static readonly object Mark = new();

    private readonly ReadOnlySpan<byte> _bytes = bytes;
    private readonly List<object?> _stack = [];
    private readonly Dictionary<long, object?> _memo = [];
    private int _start;

    /// <summary>The place behind what was read.</summary>
    public int At { get; private set; }

    /// <summary>Runs up to STOP and gives the value on the stack.</summary>
    public object? Read()
    {
        while (true)
        {
            _start = At;
            byte code = Take(1)[0];
            if (code == '.')
            {
                object? value = Pop();
                return _stack.Count == 0 ? value : throw Wrong("something is left on the stack at its end");
            }
            if (!Constant(code) && !Collection(code) && !Memo(code) && !Call(code))
                throw Wrong($"the operation 0x{code:x2} is none that is allowed");
        }
    }

    private bool Constant(byte code)
    {
        switch ((char)code)
        {
            case '\x80':
                if (Take(1)[0] is > 5 and var protocol)
                    throw Wrong($"it is of protocol {protocol}; known are 0 to 5");
                return true;
            case '\x95':
                if (BinaryPrimitives.ReadUInt64LittleEndian(Take(8)) > (ulong)(_bytes.Length - At))
                    throw Wrong("a frame is longer than what is left");
                return true;
            case 'N':
                return Push(null);
            case '\x88':
                return Push(true);
            case '\x89':
                return Push(false);
            case 'K':
                return Push((long)Take(1)[0]);
            case 'M':
                return Push((long)BinaryPrimitives.ReadUInt16LittleEndian(Take(2)));
            case 'J':
                return Push((long)BinaryPrimitives.ReadInt32LittleEndian(Take(4)));
            case '\x8a':
                return Push(Integer(Take(Take(1)[0])));
            case '\x8b':
                return Push(Integer(Take(Length(4))));
            case 'G':
                return Push(BinaryPrimitives.ReadDoubleBigEndian(Take(8)));
            case 'I':
                return Push(
                    Line() switch
                    {
                        "01" => true,
                        "00" => false,
                        var text => Whole(text),
                    }
                );
            case 'L':
                return Push(Whole(Line().TrimEnd('L')));
            case 'F':
                return Push(
                    double.TryParse(Line(), NumberStyles.Float, CultureInfo.InvariantCulture, out double number)
                        ? number
                        : throw Wrong("a number is none")
                );
            case 'X':
                return Push(Text(Take(Length(4))));
            case '\x8c':
                return Push(Text(Take(Take(1)[0])));
            case '\x8d':
                return Push(Text(Take(Length(8))));
            case 'U':
                return Push(Text(Take(Take(1)[0])));
            case 'T':
                return Push(Text(Take(Length(4))));
            case 'C':
                return Push(Take(Take(1)[0]).ToArray());
            case 'B':
                return Push(Take(Length(4)).ToArray());
            case '\x8e':
            case '\x96':
                return Push(Take(Length(8)).ToArray());
            case 'c':
                return Push(new PickleName(Line(), Line()));
            case '\x93':
                var (name, module) = (Pop() as string, Pop() as string);
                if (name is null || module is null)
                    throw Wrong("a name is no text");
                return Push(new PickleName(module, name));
            default:
                return false;
        }
    }

    private bool Collection(byte code)
    {
        switch ((char)code)
        {
            case '(':
                return Push(Mark);
            case '0':
                Pop();
                return true;
            case '1':
                ToMark();
                return true;
            case '2':
                return Push(Peek());
            case ')':
                return Push(Array.Empty<object?>());
            case ']':
            case '\x8f':
                return Push(new List<object?>());
            case '}':
                return Push(new PickleDictionary());
            case 't':
                return Push(ToMark());
            case '\x85':
                return Push(Last(1));
            case '\x86':
                return Push(Last(2));
            case '\x87':
                return Push(Last(3));
            case 'l':
            case '\x91':
                return Push(new List<object?>(ToMark()));
            case 'd':
                object?[] pairs = ToMark();
                var dictionary = new PickleDictionary();
                Add(dictionary, pairs);
                return Push(dictionary);
            case 'a':
                object? one = Pop();
                List().Add(one);
                return true;
            case 'e':
            case '\x90':
                object?[] several = ToMark();
                List().AddRange(several);
                return true;
            case 's':
                object?[] pair = Last(2);
                Add(Dictionary(), pair);
                return true;
            case 'u':
                object?[] items = ToMark();
                Add(Dictionary(), items);
                return true;
            default:
                return false;
        }
    }

    private bool Memo(byte code)
    {
        switch ((char)code)
        {
            case 'q':
                _memo[Take(1)[0]] = Peek();
                return true;
            case 'r':
                _memo[BinaryPrimitives.ReadUInt32LittleEndian(Take(4))] = Peek();
                return true;
            case 'p':
                _memo[Whole(Line()) is long place ? place : -1] = Peek();
                return true;
            case '\x94':
                _memo[_memo.Count] = Peek();
                return true;
            case 'h':
                return Push(Remembered(Take(1)[0]));
            case 'j':
                return Push(Remembered(BinaryPrimitives.ReadUInt32LittleEndian(Take(4))));
            case 'g':
                return Push(Remembered(Whole(Line()) is long there ? there : -1));
            default:
                return false;
        }
    }

    private bool Call(byte code)
    {
        switch ((char)code)
        {
            case 'R':
            case '\x81':
                object? arguments = Pop();
                object? called = Pop();
                if (called is not PickleName name || arguments is not object?[] given)
                    throw Wrong("something is called that is no name, or with something that is no tuple");
                return Push(make(name, given));
            case 'b':
                object? state = Pop();
                // Attributes of dictionaries and tensors say nothing of their elements.
                if (Peek() is PickleObject inert)
                    inert.State = state;
                else if (Peek() is not (PickleDictionary or TorchTensor))
                    throw Wrong("attributes are set of something that has none");
                return true;
            case 'Q':
                return Push(persistent(Pop()));
            default:
                return false;
        }
    }

    private readonly Exception Wrong(string what) => wrong(_start, what);

    private readonly bool Push(object? value)
    {
        _stack.Add(value);
        return true;
    }

    private readonly object? Pop()
    {
        object? value = Peek();
        _stack.RemoveAt(_stack.Count - 1);
        return value;
    }

    private readonly object? Peek()
    {
        if (_stack.Count == 0 || ReferenceEquals(_stack[^1], Mark))
            throw Wrong("the stack is empty");
        return _stack[^1];
    }

    private readonly object?[] ToMark()
    {
        int mark = _stack.LastIndexOf(Mark);
        if (mark < 0)
            throw Wrong("there is no mark on the stack");
        object?[] values = [.. _stack[(mark + 1)..]];
        _stack.RemoveRange(mark, _stack.Count - mark);
        return values;
    }

    private readonly object?[] Last(int count)
    {
        object?[] values = new object?[count];
        for (int i = count - 1; i >= 0; i--)
            values[i] = Pop();
        return values;
    }

    private readonly List<object?> List() =>
        Peek() as List<object?> ?? throw Wrong("something is added to what is no list");

    private readonly PickleDictionary Dictionary() =>
        Peek() as PickleDictionary ?? throw Wrong("an item is set of what is no dictionary");

    private readonly void Add(PickleDictionary to, object?[] pairs)
    {
        if (pairs.Length % 2 != 0)
            throw Wrong("a dictionary has a key without a value");
        for (int i = 0; i < pairs.Length; i += 2)
        {
            if (pairs[i] is not (string or long or bool or double))
                throw Wrong("a dictionary has a key that is neither text nor number");
            to.Items[pairs[i]!] = pairs[i + 1];
        }
    }

    private readonly object? Remembered(long place) =>
        _memo.TryGetValue(place, out object? value) ? value : throw Wrong($"nothing was remembered at {place}");

    private ReadOnlySpan<byte> Take(int count)
    {
        if (count > _bytes.Length - At)
            throw Wrong($"{count} bytes must follow, but {_bytes.Length - At} do");
        var taken = _bytes.Slice(At, count);
        At += count;
        return taken;
    }

    private int Length(int width)
    {
        ulong length =
            width == 4
                ? BinaryPrimitives.ReadUInt32LittleEndian(Take(4))
                : BinaryPrimitives.ReadUInt64LittleEndian(Take(8));
        return length <= (ulong)(_bytes.Length - At)
            ? (int)length
            : throw Wrong($"{length} bytes must follow, but {_bytes.Length - At} do");
    }

    private string Line()
    {
        int length = _bytes[At..].IndexOf((byte)'\n');
        if (length < 0)
            throw Wrong("a line has no end");
        string text = Text(_bytes.Slice(At, length));
        At += length + 1;
        return text;
    }

    private static string Text(ReadOnlySpan<byte> bytes) => Encoding.UTF8.GetString(bytes);

    private static object Integer(ReadOnlySpan<byte> bytes)
    {
        if (bytes.Length <= 8)
            return bytes.IsEmpty ? 0L : (long)new BigInteger(bytes);
        return new BigInteger(bytes);
    }

    // Digits cost their square.
    private readonly object Whole(string text) =>
        text.Length <= 100
        && BigInteger.TryParse(text, NumberStyles.AllowLeadingSign, CultureInfo.InvariantCulture, out var number)
            ? number >= long.MinValue && number <= long.MaxValue
                ? (long)number
                : number
            : throw Wrong("a number is none");
}
