namespace Picograd.Algorithms;

/// <summary>An iteration axis [0, Extent) of a stage.</summary>
public sealed record Axis(Var Var, Expr Extent, AxisKind Kind = AxisKind.Spatial)
{
    public Axis(string name, Expr extent, AxisKind kind = AxisKind.Spatial)
        : this(new Var(name), extent, kind) { }

    public string Name => Var.Name;

    public override string ToString() => $"{Name}<{Extent}";

    // An axis in an index expression stands for its variable.

    public static Expr operator +(Axis a, Axis b) => (Expr)a.Var + b.Var;

    public static Expr operator +(Axis a, Expr b) => (Expr)a.Var + b;

    public static Expr operator +(Expr a, Axis b) => a + b.Var;

    public static Expr operator -(Axis a, Axis b) => (Expr)a.Var - b.Var;

    public static Expr operator -(Axis a, Expr b) => (Expr)a.Var - b;

    public static Expr operator -(Expr a, Axis b) => a - b.Var;

    public static Expr operator *(Axis a, Axis b) => (Expr)a.Var * b.Var;

    public static Expr operator *(Axis a, Expr b) => (Expr)a.Var * b;

    public static Expr operator *(Expr a, Axis b) => a * b.Var;

    public static Expr operator /(Axis a, Axis b) => (Expr)a.Var / b.Var;

    public static Expr operator /(Axis a, Expr b) => (Expr)a.Var / b;

    public static Expr operator /(Expr a, Axis b) => a / b.Var;

    public static Expr operator %(Axis a, Axis b) => (Expr)a.Var % b.Var;

    public static Expr operator %(Axis a, Expr b) => (Expr)a.Var % b;

    public static Expr operator %(Expr a, Axis b) => a % b.Var;

    public static Expr operator <(Axis a, Axis b) => (Expr)a.Var < b.Var;

    public static Expr operator <(Axis a, Expr b) => (Expr)a.Var < b;

    public static Expr operator <(Expr a, Axis b) => a < b.Var;

    public static Expr operator <=(Axis a, Axis b) => (Expr)a.Var <= b.Var;

    public static Expr operator <=(Axis a, Expr b) => (Expr)a.Var <= b;

    public static Expr operator <=(Expr a, Axis b) => a <= b.Var;

    public static Expr operator >(Axis a, Axis b) => (Expr)a.Var > b.Var;

    public static Expr operator >(Axis a, Expr b) => (Expr)a.Var > b;

    public static Expr operator >(Expr a, Axis b) => a > b.Var;

    public static Expr operator >=(Axis a, Axis b) => (Expr)a.Var >= b.Var;

    public static Expr operator >=(Axis a, Expr b) => (Expr)a.Var >= b;

    public static Expr operator >=(Expr a, Axis b) => a >= b.Var;
}
