using System.Collections.Immutable;
using Picograd.Algorithms;
using Picograd.Schedules.Ir;

namespace Picograd.Schedules.Primitives;

/// <summary>
/// <c>[copies =] specialize parameter|loop value</c>: a copy of the program, or of one loop, in which a symbolic extent
/// is a constant, chosen at run time; the general form stays for all other values.
/// </summary>
public sealed class Specialize : Primitive
{
    public override string Name => "specialize";

    public override string Usage => "[copies =] specialize parameter|loop value";

    public override string Requirements =>
        """
            A parameter of the algorithm (the whole program is copied), or a loop whose extent is a parameter (the loop is
            copied). The value lies within the parameter's bounds. The copy has loops, blocks and private buffers of its
            own, named with the value behind them, and is scheduled by those names; no parallel, vector or GPU loop lies
            around the loop.
            """;

    public override PrimitiveExample Example =>
        new(
            "rows",
            ["split C.i 8"],
            "specialize N 16",
            """
            if N == 16:
              for C.i.o.16 in 0..2:
                for C.i.i.16 in 0..8:
                  for C.j.16 in 0..10:
                    block C.16(i = C.i.o.16 * 8 + C.i.i.16, j:reduce = C.j.16):
                      C[i] sum= A[i, j]
            else:
              for C.i.o in 0..((N + 7) // 8):
                for C.i.i in 0..8:
                  for C.j in 0..10:
                    block C(i = C.i.o * 8 + C.i.i, j:reduce = C.j) where C.i.o * 8 + C.i.i < N:
                      C[i] sum= A[i, j]
            """
        );

    protected override (LoopNest Nest, ImmutableArray<string> Results) Rewrite(LoopNest nest, Step step)
    {
        KnownOptions(nest, step);
        ArgCount(nest, step, 2, 2);
        string name = Arg(nest, step, 0);
        var (parameter, target) = Target(nest, name);
        long value = IntArg(nest, step, 1, parameter.Min, parameter.Max);
        if (nest.Body.PathTo(target) is { } path)
        {
            if (
                path.OfType<For>().FirstOrDefault(l => l.Kind.IsConcurrent() && !ReferenceEquals(l, target)) is
                { } outer
            )
                throw Refuse(
                    nest,
                    outer,
                    $"{outer.Name} around {name} is {outer.Kind.Text()}, and a branch inside would part its iterations",
                    "specialize before giving the loops around a kind"
                );
        }
        var copier = new NestCopier(nest, $".{value}", step, 0);
        var copy = copier.Copy(target, new Dictionary<Var, Expr> { [parameter.Var] = value }, target);
        var choice = new If(Op.Eq(parameter.Var, value), copy, target);
        var result = copier.Nest.Replace(target, choice);
        // Constants make guards provable; only the copy changes, so the general form stays as it was written.
        var simplifier = new Simplifier(result.Ranges(result.Loops));
        var simple = copy.MapUp(s =>
            s switch
            {
                For f => f with { Extent = simplifier.Visit(f.Extent) },
                Block b => b with
                {
                    Predicate = simplifier.Visit(b.Predicate),
                    Axes = [.. b.Axes.Select(a => a with { Binding = simplifier.Visit(a.Binding) })],
                },
                _ => s,
            }
        );
        return (result.Replace(copy, simple), copier.Made);
    }

    private (Parameter Parameter, Stmt Target) Target(LoopNest nest, string name)
    {
        var parameters = nest.Algorithm.Parameters;
        string all = parameters.IsEmpty
            ? "this algorithm has no symbolic extents"
            : string.Join(", ", parameters.Select(p => p.Name));
        if (parameters.FirstOrDefault(p => p.Name == name) is { } parameter)
            return (parameter, nest.Body);
        if (nest.Loops.FirstOrDefault(l => l.Name == name) is not { } loop)
            throw Refuse(nest, null, $"there is no parameter or loop '{name}'", $"parameters: {all}");
        return parameters.FirstOrDefault(p => ReferenceEquals(p.Var, loop.Extent)) is { } extent
            ? (extent, loop)
            : throw Refuse(nest, loop, $"the extent {loop.Extent} of {name} is not a parameter", $"parameters: {all}");
    }
}
