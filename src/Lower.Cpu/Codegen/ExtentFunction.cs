using System.Collections.Immutable;
using Picograd.Algorithms;
using Picograd.Schedules.Backend;

namespace Picograd.Lower.Cpu.Codegen;

/// <summary>A number that depends on symbolic extents, such as the bytes of a workspace.</summary>
internal sealed unsafe class ExtentFunction
{
    private readonly Expr _value;
    private readonly ImmutableArray<Parameter> _parameters;

    public ExtentFunction(Expr value, ImmutableArray<Parameter> parameters)
    {
        _value = value;
        _parameters = parameters;
        Constant = (value as IntImm)?.Value;
    }

    /// <summary>The number where it depends on nothing.</summary>
    public long? Constant { get; }

    /// <summary>The number for values of the parameters, in order.</summary>
    public long Of(long* parameters) => Constant ?? Of(_value, parameters);

    private long Of(Expr e, long* parameters)
    {
        switch (e)
        {
            case IntImm i:
                return i.Value;
            case Var v:
                for (int i = 0; i < _parameters.Length; i++)
                {
                    if (ReferenceEquals(_parameters[i].Var, v))
                        return parameters[i];
                }
                break;
            case Binary b:
                long x = Of(b.A, parameters);
                long y = Of(b.B, parameters);
                switch (b.Kind)
                {
                    case BinaryOp.Add:
                        return x + y;
                    case BinaryOp.Sub:
                        return x - y;
                    case BinaryOp.Mul:
                        return x * y;
                    case BinaryOp.FloorDiv:
                        return Op.FloorDiv(x, y);
                    case BinaryOp.Mod:
                        return x - Op.FloorDiv(x, y) * y;
                    case BinaryOp.Min:
                        return Math.Min(x, y);
                    case BinaryOp.Max:
                        return Math.Max(x, y);
                    default:
                        break;
                }
                break;
            default:
                break;
        }
        throw new LoweringException("unsupported", $"the size {e} of a workspace");
    }
}
