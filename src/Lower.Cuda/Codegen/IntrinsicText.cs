using System.Collections.Immutable;
using Picograd.Algorithms;
using Picograd.Schedules.Ir;

namespace Picograd.Lower.Cuda.Codegen;

/// <summary>Writes a call of an intrinsic.</summary>
/// <param name="call">The call, in kernel form.</param>
/// <param name="writer">Where to write, and how the call's operands are called in the text.</param>
public delegate void IntrinsicText(Call call, IntrinsicWriter writer);

/// <summary>How each intrinsic is written. A back end without a row for an intrinsic refuses its calls.</summary>
public static class IntrinsicTexts
{
    public static ImmutableDictionary<string, IntrinsicText> All { get; } =
        TensorCoreText
            .Intrinsics.ToImmutableDictionary(i => i.Name, _ => (IntrinsicText)TensorCoreText.Write)
            .AddRange(WarpgroupMatmulText.All);
}

/// <summary>What a row of <see cref="IntrinsicTexts"/> may ask of the kernel that is being written.</summary>
public sealed class IntrinsicWriter
{
    private readonly StmtWriter _statements;
    private readonly Call _call;

    internal IntrinsicWriter(StmtWriter statements, Call call)
    {
        _statements = statements;
        _call = call;
    }

    /// <summary>One line at the place of the call.</summary>
    public void Line(string text) => _statements.Line(text);

    /// <summary>Has a function of the prelude written out; returns its name.</summary>
    public string Use(string function) => _statements.Kernel.Use(function);

    /// <summary>The element of operand i at an index within its tile, as a C lvalue of its storage type.</summary>
    public string Element(int operand, params Expr[] tile)
    {
        var load = _call.Operand(operand, [.. tile]);
        return _statements.Access.Element(load.Buffer, load.Indices);
    }

    /// <summary>The first element of operand i, or of the lane's part of it, as a C lvalue.</summary>
    public string Origin(int operand) => _statements.Access.Element(_call.Buffers[operand], _call.Origins[operand]);

    /// <summary>The address of an element of operand i.</summary>
    public string Address(int operand, params Expr[] tile) => "&" + Element(operand, tile);

    /// <summary>The address at which operand i would begin if its buffer were not swizzled, which instructions do themselves.</summary>
    public string Unswizzled(int operand) =>
        _statements.Access.Unswizzled(_call.Buffers[operand], _call.Origins[operand]);

    /// <summary>How a warpgroup matrix instruction finds operand i in shared memory.</summary>
    internal WgmmaOperand Operand(int operand) =>
        WgmmaOperand.Of(_call, operand, new Simplifier(_statements.Kernel.Ranges));

    /// <summary>The value of an expression over loop variables and parameters.</summary>
    public string Value(Expr e) => _statements.Values.Write(_statements.Kernel.Simplify(e));

    /// <summary>A name that the kernel does not use yet.</summary>
    public string Fresh(string wish) => _statements.Kernel.Names.Fresh(wish);

    /// <summary>The number of the thread in its block.</summary>
    public string Thread => _statements.Kernel.Thread;
}
