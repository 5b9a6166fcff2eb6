using System.Text;
using Picograd.Algorithms;

namespace Picograd.Schedules.Ir;

/// <summary>Nests as indented text. A marked statement gets "&lt;-- here" at its line, for diagnostics.</summary>
public static class NestPrinter
{
    public static string Print(LoopNest nest, Stmt? marked = null)
    {
        var text = new StringBuilder();
        foreach (var buffer in nest.Intermediates)
        {
            string where = nest.StoreAt.TryGetValue(buffer.Name, out var loop) ? $" at {loop}" : "";
            string strides = buffer.Strides.IsDefault ? "" : $" strides[{string.Join(", ", buffer.Strides)}]";
            text.AppendLine(
                $"buffer {buffer} {buffer.Scope.ToString().ToLowerInvariant()}{strides}{SwizzleOf(buffer)}{where}"
            );
        }
        Print(nest.Body, 0, marked, text);
        return text.ToString();
    }

    public static string Print(Stmt stmt)
    {
        var text = new StringBuilder();
        Print(stmt, 0, null, text);
        return text.ToString();
    }

    private static void Print(Stmt stmt, int depth, Stmt? marked, StringBuilder text)
    {
        string mark = marked is not null && ReferenceEquals(stmt, marked) ? "    <-- here" : "";
        void Line(string line) => text.Append(' ', 2 * depth).Append(line).AppendLine(mark);
        switch (stmt)
        {
            case For f:
                string notes = string.Concat(f.Annotations.Select(a => $" {a.Key}={a.Value}"));
                Line(
                    $"for {f.Name} in 0..{Extent(f.Extent)}{(f.Kind == LoopKind.Serial ? "" : " " + f.Kind.Text())}{(f.PeelBegin ? " peel=both" : f.Peel ? " peel" : "")}{notes}:"
                );
                Print(f.Body, depth + 1, marked, text);
                break;
            case Seq q:
                foreach (var item in q.Items)
                    Print(item, depth, marked, text);
                break;
            case If i:
                Line($"if {i.Cond}:");
                Print(i.Then, depth + 1, marked, text);
                if (i.Else is not null)
                {
                    Line("else:");
                    Print(i.Else, depth + 1, marked, text);
                }
                break;
            case Allocate a:
                Line($"allocate {a.Buffer} {a.Buffer.Scope.ToString().ToLowerInvariant()}{SwizzleOf(a.Buffer)}");
                Print(a.Body, depth, marked, text);
                break;
            case Store s:
                Line($"{s.Buffer.Name}[{string.Join(", ", s.Indices)}] = {s.Value}");
                break;
            case StoreAll all:
                Line(
                    $"{string.Join(", ", all.Stores.Select(s => $"{s.Buffer.Name}[{string.Join(", ", s.Indices)}]"))} = {string.Join(", ", all.Stores.Select(s => s.Value))}"
                );
                break;
            case Prefetch p:
                Line($"prefetch {p.Buffer.Name}[{string.Join(", ", p.Indices)}]");
                break;
            case Barrier b:
                Line($"barrier {b.Scope.ToString().ToLowerInvariant()}");
                break;
            case Async a:
                Line(a.Kind == AsyncKind.Bulk ? "async bulk:" : "async:");
                Print(a.Body, depth + 1, marked, text);
                break;
            case DeviceOp d:
                Line(d.Instruction.Print(d));
                break;
            case LaneReduce r:
                string reduced = string.Join(", ", r.Outputs.Select(o => $"{o.Name}[{string.Join(", ", r.Indices)}]"));
                Line($"{reduced} {r.Reducer.Name}= over {r.Width} lanes{(r.Stride > 1 ? $", {r.Stride} apart" : "")}");
                break;
            case Call c:
                var operands = c.Buffers.Select((b, n) => $"{b.Name}[{string.Join(", ", c.Origins[n])}]");
                Line($"{c.Intrinsic.Name}({string.Join(", ", operands)})");
                break;
            case Block b:
                var axes = b.Axes.Select(a => $"{a.Name}{Kind(a.Kind)} = {a.Binding}");
                string where = b.Predicate.IsTrue() ? "" : $" where {b.Predicate}";
                Line($"block {b.Name}({string.Join(", ", axes)}){where}:");
                string outputs = string.Join(", ", b.Outputs.Select(o => $"{o.Name}[{string.Join(", ", b.Indices)}]"));
                string op = b.Reducer is null ? "=" : $"{b.Reducer.Name}=";
                string init = b.Reducer is not null && !b.Init ? " (no init)" : "";
                text.Append(' ', 2 * (depth + 1)).AppendLine($"{outputs} {op} {string.Join(", ", b.Values)}{init}");
                break;
            default:
                throw new InvalidOperationException($"no printed form for {stmt.GetType().Name}");
        }
    }

    private static string SwizzleOf(Algorithms.Buffer buffer) => buffer.Swizzle is { } s ? $" swizzle {s}" : "";

    private static string Extent(Expr extent) => extent is IntImm or Var ? extent.ToString() : $"({extent})";

    private static string Kind(AxisKind kind) =>
        kind switch
        {
            AxisKind.Reduce => ":reduce",
            AxisKind.Ordered => ":ordered",
            _ => "",
        };
}
