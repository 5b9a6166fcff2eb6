using System.Collections.Immutable;
using System.Reflection;
using Picograd.Algorithms.Operators;

namespace Picograd.Algorithms.Functions;

/// <summary>
/// What an argument gets of the gradient of the result: <paramref name="g"/> times the slope there. Linear in
/// <paramref name="g"/>, so that the same expression carries a tangent forward. Where the slope is 0 because the result does not
/// depend on the argument the expression selects 0 instead of multiplying: 0 times an infinite gradient is not a number.
/// </summary>
/// <param name="x">The arguments.</param>
/// <param name="y">The function's result, where the derivative is best written with it.</param>
/// <param name="g">Gradient of the result, of its type.</param>
public delegate Expr Derivative(ImmutableArray<Expr> x, Expr y, Expr g);

/// <summary>Upper bound on the error of a function of one inexact argument.</summary>
/// <param name="x">The exact argument.</param>
/// <param name="e">How far off the computed one may be.</param>
/// <param name="y">The function at x.</param>
public delegate double ErrorRule(double x, double e, double y);

/// <summary>The same for two arguments.</summary>
public delegate double ErrorRule2(double a, double ea, double b, double eb, double y);

/// <summary>
/// A function of scalars: everything that the compiler knows of it. One entry of <see cref="ScalarFunctions"/> gives the operator
/// and its gradient, the evaluator's value and error bound, the interpreter's value, vector code for processors, CUDA text, costs.
/// Three kinds:
/// <list type="bullet">
/// <item><see cref="Operation(string, UnaryOp)"/>: the expression language has a node for it (<c>+</c>, <c>abs</c>, <c>max</c>).</item>
/// <item><see cref="Elementary(string, Func{double, double})"/>: stays an <see cref="Apply"/> through scheduling, and becomes
/// arithmetic (<see cref="Float32"/>, <see cref="Float64"/>) or a call last of all.</item>
/// <item><see cref="Composed(string, Func{Expr, Expr})"/>: an expression of other functions. It stays an <see cref="Apply"/> in an
/// algorithm, whose gradient may differ from that of its parts (relu is max(x, 0), but has slope 0 at 0), and is replaced by its
/// <see cref="Definition"/> where a loop nest begins.</item>
/// </list>
/// </summary>
/// <remarks>
/// <para><c>Op.Call(ScalarFunctions.Exp, x)</c>, or <c>Op.Call(ScalarFunctions.Find("exp")!, x)</c>, builds an expression. A function that
/// is in no table can be built and called the same way; only text needs its name.</para>
/// <para>Gradients: <see cref="DerivativeRules.Of(Expr, Expr, int, Expr)"/> answers for any node of an expression (operations, select, casts
/// and calls alike) what an operand gets.</para>
/// </remarks>
public sealed record ScalarFunction
{
    private static int s_next;

    private ScalarFunction(string name, int arity)
    {
        Id = Interlocked.Increment(ref s_next);
        Name = name;
        Arity = arity;
        Domains = [.. Enumerable.Repeat(InputDomain.Any, arity)];
        CudaName = name;
    }

    /// <summary>A small number, for tables by function; functions made of one another with <c>with</c> have the same.</summary>
    public int Id { get; }

    /// <summary>As in the text form of operators: lower case.</summary>
    public string Name { get; }

    /// <summary>Arguments, 1 to 3, all of one type.</summary>
    public int Arity { get; }

    /// <summary>What it does, for help texts; null for "NAME(X)".</summary>
    public string? Description { get; init; }

    /// <summary>The node of the expression language; null for others.</summary>
    public UnaryOp? UnaryNode { get; private init; }

    /// <inheritdoc cref="UnaryNode"/>
    public BinaryOp? BinaryNode { get; private init; }

    /// <summary>
    /// Of an elementary function: the value in double precision, a <c>Func</c> of <see cref="Arity"/> doubles. A static method where there is
    /// no <see cref="Float64"/>: generated code calls it.
    /// </summary>
    public Delegate? Reference { get; private init; }

    /// <summary>Of a composed function: the expression that it stands for.</summary>
    public Func<ImmutableArray<Expr>, Expr>? Definition { get; private init; }

    /// <summary>
    /// One an argument; null where the slope is 0 everywhere. Not given (default) for a composed function: the gradient is
    /// that of its definition.
    /// </summary>
    public ImmutableArray<Derivative?> Derivatives { get; init; }

    /// <summary>Where generated arguments lie, one an argument.</summary>
    public ImmutableArray<InputDomain> Domains { get; init; }

    /// <summary>Where results lie; null for anywhere.</summary>
    public InputDomain? Range { get; init; }

    /// <summary>Element types of the operator; default for functions that are no operator.</summary>
    public ImmutableArray<DType> Types { get; init; }

    /// <summary>
    /// How far an error of the argument moves the result, an <see cref="ErrorRule"/> or <see cref="ErrorRule2"/>; by default that of a function
    /// which is monotonic on both sides of 0 (<see cref="ErrorRules.Monotonic"/>).
    /// </summary>
    public Delegate? Error { get; init; }

    /// <summary>Roundoffs of the type (half units of the last place) that an implementation may add.</summary>
    public double Roundoffs { get; init; } = Evaluation.BoundRules.ElementaryUlps;

    /// <summary>Roundoffs of 1 that an implementation may add near a zero of the function.</summary>
    public double AbsoluteRoundoffs { get; init; }

    /// <summary>Whether results may be denormal, which back ends may flush to zero.</summary>
    public bool Underflows { get; init; }

    /// <summary>
    /// The function of Float32 in arithmetic that every vector unit has (see <see cref="Expansion"/>); null where
    /// <see cref="Kernel"/> is called instead.
    /// </summary>
    public Func<ImmutableArray<Expr>, Expr>? Float32 { get; init; }

    /// <summary>The same for Float64; null where the <see cref="Reference"/> is called.</summary>
    public Func<ImmutableArray<Expr>, Expr>? Float64 { get; init; }

    /// <summary>
    /// A class whose static methods, of the function's name, take and give float and Vector128, 256 and 512 of float; for functions of
    /// Float32 that arithmetic of Float32 is too coarse for.
    /// </summary>
    public Type? Kernel { get; init; }

    /// <summary>Largest error of <see cref="Float32"/> or <see cref="Kernel"/>, in units of the last place of the exact result.</summary>
    public double MaxUlp { get; init; }

    /// <summary>The same for <see cref="Float64"/>.</summary>
    public double MaxUlpFloat64 { get; init; }

    /// <summary>Operations on a processor, roughly: what an addition costs is 1.</summary>
    public double Cost { get; init; } = 20;

    /// <summary>
    /// The function of CUDA C for double (the one for float has an f behind it), or one of those that the CUDA back end writes out;
    /// null where the expansion is used on GPUs too. By default the name.
    /// </summary>
    public string? CudaName { get; init; }

    public bool IsElementary => Reference is not null;

    /// <summary>Whether the operator is one of integers, too.</summary>
    public bool OnIntegers => !Types.IsDefault && Types.Contains(DType.Int64);

    /// <summary>Whether it makes bools of numbers.</summary>
    public bool GivesBool
    {
        get
        {
            var type = Types.IsDefaultOrEmpty ? DType.Float32 : Types[0];
            var x = new Expr[Arity];
            Array.Fill(x, new Buffer("x", type, [1])[0]);
            return type != DType.Bool && Op.Call(this, x).Type == DType.Bool;
        }
    }

    public static ScalarFunction Operation(string name, UnaryOp node) => new(name, 1) { UnaryNode = node };

    public static ScalarFunction Operation(string name, BinaryOp node) => new(name, 2) { BinaryNode = node };

    public static ScalarFunction Elementary(string name, Func<double, double> reference) =>
        new(name, 1) { Reference = reference };

    public static ScalarFunction Elementary(string name, Func<double, double, double> reference) =>
        new(name, 2) { Reference = reference };

    public static ScalarFunction Composed(string name, Func<Expr, Expr> definition) =>
        new(name, 1) { Definition = x => definition(x[0]) };

    public static ScalarFunction Composed(string name, Func<Expr, Expr, Expr> definition) =>
        new(name, 2) { Definition = x => definition(x[0], x[1]) };

    public static ScalarFunction Composed(string name, Func<Expr, Expr, Expr, Expr> definition) =>
        new(name, 3) { Definition = x => definition(x[0], x[1], x[2]) };

    /// <summary>
    /// The function in arithmetic: what back ends compute where they have no instruction or call for it. Null where it
    /// stays a call.
    /// </summary>
    public Expr? Expand(params ImmutableArray<Expr> x) =>
        x[0].Type switch
        {
            DType.Float32 => Float32?.Invoke(x),
            DType.Float64 => Float64?.Invoke(x),
            _ => null,
        };

    /// <summary>The method of <see cref="Kernel"/> for values of a type: float or a vector of float.</summary>
    public MethodInfo KernelMethod(Type values) =>
        Kernel?.GetMethod(KernelName, [.. Enumerable.Repeat(values, Arity)])
        ?? throw new InvalidOperationException($"{Name} has no kernel for {values.Name}");

    /// <summary>The kernel of floats as a delegate.</summary>
    public T KernelFor<T>()
        where T : Delegate => KernelMethod(typeof(float)).CreateDelegate<T>();

    private string KernelName => char.ToUpperInvariant(Name[0]) + Name[1..];

    /// <summary>Whether the gradient of an argument is written with the result rather than with the arguments.</summary>
    public bool DerivativeUsesResult(int argument, DType type)
    {
        if (Derivatives.IsDefault || Derivatives[argument] is not { } derivative)
            return false;
        var result = new Buffer("y", type, [1])[0];
        ImmutableArray<Expr> x = [.. Enumerable.Range(0, Arity).Select(i => new Buffer($"x{i}", type, [1])[0])];
        var g = new Buffer("g", type, [1])[0];
        return derivative(x, result, g).Loads().Contains(result);
    }

    /// <summary>A function is itself only: what it computes cannot be compared.</summary>
    public bool Equals(ScalarFunction? other) => ReferenceEquals(this, other);

    public override int GetHashCode() => System.Runtime.CompilerServices.RuntimeHelpers.GetHashCode(this);

    public override string ToString() => Name;
}
