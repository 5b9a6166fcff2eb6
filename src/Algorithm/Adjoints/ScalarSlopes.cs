namespace Picograd.Algorithms.Adjoints;

/// <summary>Derivatives of functions of one number: of the argument x and the result y = f(x).</summary>
internal static class ScalarSlopes
{
    /// <summary>f′ as an expression of x and y; a constant 0 where f only changes in steps.</summary>
    public static Expr Of(UnaryOp kind, Expr x, Expr y)
    {
        Expr Number(double value) => Op.Const(value, x.Type);
        return kind switch
        {
            UnaryOp.Neg => Number(-1),
            UnaryOp.Abs => Op.Select(
                Op.Lt(Number(0), x),
                Number(1),
                Op.Select(Op.Lt(x, Number(0)), Number(-1), Number(0))
            ),
            UnaryOp.Exp => y,
            UnaryOp.Log => Op.Div(Number(1), x),
            UnaryOp.Tanh => Op.Sub(Number(1), Op.Mul(y, y)),
            UnaryOp.Sigmoid => Op.Mul(y, Op.Sub(Number(1), y)),
            UnaryOp.Erf => Op.Mul(Op.Exp(Op.Neg(Op.Mul(x, x))), Number(1.1283791670955126)),
            UnaryOp.Sin => Op.Cos(x),
            UnaryOp.Cos => Op.Neg(Op.Sin(x)),
            UnaryOp.Sqrt => Op.Div(Number(0.5), y),
            UnaryOp.Rsqrt => Op.Mul(Op.Mul(y, Op.Mul(y, y)), Number(-0.5)),
            UnaryOp.Reciprocal => Op.Neg(Op.Mul(y, y)),
            UnaryOp.Floor or UnaryOp.Ceil or UnaryOp.Round => Number(0),
            _ => throw new AdjointException($"{kind} has no derivative"),
        };
    }
}
