using System.Reflection;
using System.Reflection.Emit;
using System.Runtime.Intrinsics;
using System.Runtime.Intrinsics.X86;
using Picograd.Algorithms;

namespace Picograd.Lower.Cpu.Codegen;

/// <summary>
/// What a strided load reads: lane i at address + i·Stride bytes for i &lt; Count, else zero; or, where the stride is not a constant,
/// i·Symbolic bytes.
/// </summary>
internal sealed record StridedAccess(long Stride, int Count, int Epoch, SymbolicStride? Symbolic = null);

/// <summary>Bytes between lanes by symbolic extents; Push leaves them on the stack.</summary>
internal sealed class SymbolicStride(Expr bytes, Action push) : IEquatable<SymbolicStride>
{
    public Action Push => push;

    public bool Equals(SymbolicStride? other) => other is not null && bytes == other.Bytes;

    public override bool Equals(object? obj) => Equals(obj as SymbolicStride);

    public override int GetHashCode() => bytes.GetHashCode();

    private Expr Bytes => bytes;
}

/// <summary>
/// Strided loads at neighbouring addresses, as many as a vector has lanes, read a square block of memory by columns.
/// They become loads of its rows and a transpose in registers: about 5 instructions for a vector instead of 16 loads
/// and inserts (docs/cpu.md has what it gained).
/// </summary>
internal sealed class Transpose(IlWriter il, VectorIsa isa)
{
    /// <summary>Whether the machine has the shuffles for this width and type.</summary>
    public bool IsAvailable(DType type) =>
        type == DType.Float32
        && isa.Bits switch
        {
            512 => Avx512F.IsSupported,
            256 => Avx.IsSupported,
            _ => Sse2.IsSupported,
        };

    /// <summary>Groups of nodes that are the columns of one block, in order.</summary>
    public static IEnumerable<Node[]> Groups(IEnumerable<Node> stridedLoads, int lanes)
    {
        var loads = stridedLoads.ToList();
        if (loads.Count < lanes)
            yield break;
        // In the order of their first; lists, since .NET has no code for groups by a struct.
        var sets = new List<List<Node>>();
        foreach (var load in loads)
        {
            if (sets.Find(s => IsNeighbour(s[0], load)) is { } set)
                set.Add(load);
            else
                sets.Add([load]);
        }
        foreach (var set in sets)
        {
            var byDisplacement = set.OrderBy(Displacement).ToList();
            for (int i = 0; i + lanes <= byDisplacement.Count; )
            {
                var run = byDisplacement.GetRange(i, lanes);
                long start = Displacement(run[0]);
                bool square = run.Select((n, j) => Displacement(n) == start + 4L * j).All(x => x);
                if (square)
                    yield return [.. run];
                i += square ? lanes : 1;
            }
        }
    }

    // Whether two loads differ in their displacements only.
    private static bool IsNeighbour(Node a, Node b) =>
        Pointer(a) == Pointer(b)
        && a.Inputs[0].Inputs.FirstOrDefault() == b.Inputs[0].Inputs.FirstOrDefault()
        && Equals(a.Data, b.Data)
        && a.Type == b.Type;

    private static LocalBuilder Pointer(Node load) => ((PointerRef)load.Inputs[0].Data!).Pointer;

    private static long Displacement(Node load) => ((PointerRef)load.Inputs[0].Data!).Displacement;

    /// <summary>
    /// Fills the locals of the columns. <paramref name="pushAddress"/> leaves the address of the block's first element.
    /// </summary>
    public void Emit(Node[] columns, Action pushAddress)
    {
        int lanes = columns.Length;
        var access = (StridedAccess)columns[0].Data!;
        var vector = isa.Vector(typeof(float));
        var address = il.Rent(typeof(nint));
        pushAddress();
        il.Store(address);
        var stride = Walk(il, access);
        var rows = new LocalBuilder[lanes];
        for (int i = 0; i < lanes; i++)
        {
            if (i < access.Count)
            {
                il.Load(address);
                if (stride is null)
                    il.AddOffset(i * access.Stride);
                il.Call(isa.Load(typeof(float)));
                Advance(il, address, stride);
            }
            else
            {
                il.Call(isa.Zero(typeof(float)));
            }
            rows[i] = il.Rent(vector);
            il.Store(rows[i]);
        }
        il.Return(address);
        if (stride is not null)
            il.Return(stride);
        // Pairs of rows, then quadruples: local 4g + c holds, in each 128-bit part q, column 4q + c of rows 4g … 4g + 3.
        var pairs = new LocalBuilder[lanes];
        for (int i = 0; i < lanes; i += 2)
        {
            pairs[i] = Binary(Unpack("UnpackLow", typeof(float)), rows[i], rows[i + 1]);
            pairs[i + 1] = Binary(Unpack("UnpackHigh", typeof(float)), rows[i], rows[i + 1]);
            il.Return(rows[i]);
            il.Return(rows[i + 1]);
        }
        var quads = new LocalBuilder[lanes];
        for (int g = 0; g < lanes; g += 4)
        {
            quads[g] = Doubles("UnpackLow", pairs[g], pairs[g + 2]);
            quads[g + 1] = Doubles("UnpackHigh", pairs[g], pairs[g + 2]);
            quads[g + 2] = Doubles("UnpackLow", pairs[g + 1], pairs[g + 3]);
            quads[g + 3] = Doubles("UnpackHigh", pairs[g + 1], pairs[g + 3]);
            for (int i = 0; i < 4; i++)
                il.Return(pairs[g + i]);
        }
        if (lanes == 4)
        {
            for (int c = 0; c < 4; c++)
                columns[c].Local = quads[c];
            return;
        }
        for (int c = 0; c < 4; c++)
        {
            if (lanes == 8)
            {
                var permute = typeof(Avx).GetMethod("Permute2x128", [vector, vector, typeof(byte)])!;
                columns[c].Local = Shuffle(permute, quads[c], quads[4 + c], 0x20);
                columns[4 + c].Local = Shuffle(permute, quads[c], quads[4 + c], 0x31);
            }
            else
            {
                var shuffle = typeof(Avx512F).GetMethod("Shuffle4x128", [vector, vector, typeof(byte)])!;
                var low01 = Shuffle(shuffle, quads[c], quads[4 + c], 0x44);
                var high01 = Shuffle(shuffle, quads[c], quads[4 + c], 0xEE);
                var low23 = Shuffle(shuffle, quads[8 + c], quads[12 + c], 0x44);
                var high23 = Shuffle(shuffle, quads[8 + c], quads[12 + c], 0xEE);
                columns[c].Local = Shuffle(shuffle, low01, low23, 0x88);
                columns[4 + c].Local = Shuffle(shuffle, low01, low23, 0xDD);
                columns[8 + c].Local = Shuffle(shuffle, high01, high23, 0x88);
                columns[12 + c].Local = Shuffle(shuffle, high01, high23, 0xDD);
                foreach (var local in new[] { low01, high01, low23, high23 })
                    il.Return(local);
            }
            for (int g = 0; g < lanes; g += 4)
                il.Return(quads[g + c]);
        }
    }

    /// <summary>A local with the bytes between lanes where these are no constant, by which the address then walks.</summary>
    public static LocalBuilder? Walk(IlWriter il, StridedAccess access)
    {
        if (access.Symbolic is not { } symbolic)
            return null;
        var stride = il.Rent(typeof(long));
        symbolic.Push();
        il.Store(stride);
        return stride;
    }

    /// <summary>The address of the next lane, where it walks.</summary>
    public static void Advance(IlWriter il, LocalBuilder address, LocalBuilder? stride)
    {
        if (stride is null)
            return;
        il.Load(address);
        il.Load(stride);
        il.Emit(OpCodes.Conv_I);
        il.Emit(OpCodes.Add);
        il.Store(address);
    }

    private MethodInfo Unpack(string name, Type lane)
    {
        var owner = isa.Bits switch
        {
            512 => typeof(Avx512F),
            256 => typeof(Avx),
            _ => lane == typeof(float) ? typeof(Sse) : typeof(Sse2),
        };
        return owner.GetMethod(name, [isa.Vector(lane), isa.Vector(lane)])!;
    }

    private LocalBuilder Binary(MethodInfo method, LocalBuilder a, LocalBuilder b)
    {
        il.Load(a);
        il.Load(b);
        il.Call(method);
        return Stored();
    }

    private LocalBuilder Doubles(string name, LocalBuilder a, LocalBuilder b)
    {
        foreach (var operand in new[] { a, b })
        {
            il.Load(operand);
            il.Call(isa.As(typeof(float), typeof(double)));
        }
        il.Call(Unpack(name, typeof(double)));
        il.Call(isa.As(typeof(double), typeof(float)));
        return Stored();
    }

    private LocalBuilder Shuffle(MethodInfo method, LocalBuilder a, LocalBuilder b, int control)
    {
        il.Load(a);
        il.Load(b);
        il.Int(control);
        il.Call(method);
        return Stored();
    }

    private LocalBuilder Stored()
    {
        var local = il.Rent(isa.Vector(typeof(float)));
        il.Store(local);
        return local;
    }
}
