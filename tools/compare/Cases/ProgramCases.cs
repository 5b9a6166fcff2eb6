using TorchSharp;

namespace Picograd.Compare.Cases;

/// <summary>
/// Little programs: views of views, changes in place of any of them, operators on what came of it. All tensors are compared at the end, and
/// gradients of what they were computed from.
/// </summary>
internal static class ProgramCases
{
    public static IEnumerable<Subject> All =>
        [new("Program of views", d => Program(d, 0.5, 0.35)), new("Program in place", d => Program(d, 0.3, 0.6))];

    // One line: what it adds to the tensors that there are, null where it changes one of them.
    private sealed record Line(
        string Text,
        Func<List<Tensor>, Tensor?> Ours,
        Func<List<TorchTensor>, TorchTensor?> Theirs
    );

    private static Trial Program(Draw d, double views, double changes)
    {
        var type = d.Pick(DType.Float32, DType.Float64);
        long[] shape = [.. Enumerable.Range(0, d.Between(1, 3)).Select(_ => (long)d.Between(1, 4))];
        var inputs = new List<Sample> { d.Of(shape, type, tame: true), d.Of(d.Beside(shape), type, tame: true) };
        // Not leaves, which may not be changed; dense, since libtorch keeps the order of strides.
        var shapes = new List<long[]> { inputs[0].Shape, inputs[1].Shape };
        var lines = new List<Line>();
        int count = d.Between(3, 9);
        for (int i = 0; i < count; i++)
        {
            int at = d.Chance(0.6) ? shapes.Count - 1 : d.Between(0, shapes.Count - 1);
            double kind = d.Between(0, 999) / 1000.0;
            lines.Add(
                kind < views ? View(d, shapes, at)
                : kind < views + changes ? Change(d, shapes, at)
                : Operator(d, shapes, at)
            );
        }
        string text = string.Join("; ", lines.Select(l => l.Text));
        return new(
            $"Program {text} ",
            [.. inputs],
            x => Run(lines, [(x[0] * 1).Contiguous(), (x[1] * 1).Contiguous()], l => l.Ours),
            x => Run(lines, [(x[0] * 1).contiguous(), (x[1] * 1).contiguous()], l => l.Theirs)
        )
        {
            Terms = 64,
            Degree = 3,
        };
    }

    private static T[] Run<T>(List<Line> lines, List<T> tensors, Func<Line, Func<List<T>, T?>> of)
        where T : class
    {
        foreach (var line in lines)
        {
            if (of(line)(tensors) is { } made)
                tensors.Add(made);
        }
        return [.. tensors];
    }

    private static Line View(Draw d, List<long[]> shapes, int at)
    {
        long[] shape = shapes[at];
        int rank = shape.Length;
        string of = $"v{shapes.Count} = v{at}";
        Line Made(string text, long[] result, Func<Tensor, Tensor> ours, Func<TorchTensor, TorchTensor> theirs)
        {
            shapes.Add(result);
            return new($"{of}.{text}", t => ours(t[at]), t => theirs(t[at]));
        }
        int dim = rank > 0 ? d.Between(0, rank - 1) : 0;
        switch (rank == 0 ? 5 : d.Between(0, 7))
        {
            case 0 when shape[dim] > 0:
                long start = d.Between(0, (int)shape[dim] - 1);
                long length = d.Between(1, (int)(shape[dim] - start));
                long[] narrow = [.. shape];
                narrow[dim] = length;
                return Made(
                    $"Narrow({dim}, {start}, {length})",
                    narrow,
                    t => t.Narrow(dim, start, length),
                    t => t.narrow(dim, start, length)
                );
            case 1 when shape[dim] > 0:
                long place = d.Between(-(int)shape[dim], (int)shape[dim] - 1);
                return Made(
                    $"Select({dim}, {place})",
                    [.. shape[..dim], .. shape[(dim + 1)..]],
                    t => t.Select(dim, place),
                    t => t.select(dim, place)
                );
            case 2:
                int other = d.Between(0, rank - 1);
                long[] swapped = [.. shape];
                (swapped[dim], swapped[other]) = (swapped[other], swapped[dim]);
                return Made(
                    $"Transpose({dim}, {other})",
                    swapped,
                    t => t.Transpose(dim, other),
                    t => t.transpose(dim, other)
                );
            case 3 when rank >= 2:
                long diagonal = Math.Min(shape[0], shape[1]);
                return Made("Diagonal()", [.. shape[2..], diagonal], t => t.Diagonal(), t => t.diagonal());
            case 4:
                long count = shape.Aggregate(1L, (n, s) => n * s);
                return Made("Reshape(-1)", [count], t => t.Reshape(-1), t => t.reshape(-1));
            case 6:
                int step = d.Between(1, 3);
                long[] stepped = [.. shape];
                stepped[0] = (shape[0] + step - 1) / step;
                return Made(
                    $"[::{step}]",
                    stepped,
                    t => t[new Slice(null, null, step)],
                    t => t.index(torch.TensorIndex.Slice(null, null, step))
                );
            case 7:
                return Made("Detach()", shape, t => t.Detach(), t => t.detach());
            default:
                long repeats = d.Between(1, 3);
                return Made(
                    $"Unsqueeze(0).Expand({repeats}, …)",
                    [repeats, .. shape],
                    t => t.Unsqueeze(0).Expand([repeats, .. shape]),
                    t => t.unsqueeze(0).expand([repeats, .. shape])
                );
        }
    }

    private static Line Change(Draw d, List<long[]> shapes, int at)
    {
        int from = d.Between(0, shapes.Count - 1);
        double number = Math.Round(d.Between(-20, 20) / 10.0, 1);
        string on = $"v{at}";
        return d.Between(0, 9) switch
        {
            0 => new($"{on}.Mul_({number})", t => Done(t[at].Mul_(number)), t => Done(t[at].mul_(number))),
            1 => new($"{on}.Add_({number})", t => Done(t[at].Add_(number)), t => Done(t[at].add_(number))),
            2 => new($"{on}.Mul_(v{from})", t => Done(t[at].Mul_(t[from])), t => Done(t[at].mul_(t[from]))),
            3 => new($"{on}.Add_(v{from})", t => Done(t[at].Add_(t[from])), t => Done(t[at].add_(t[from]))),
            4 => new($"{on}.Sin_()", t => Done(t[at].Sin_()), t => Done(t[at].sin_())),
            5 => new($"{on}.Fill_({number})", t => Done(t[at].Fill_(number)), t => Done(t[at].fill_(number))),
            6 => new(
                $"{on}.Copy_(v{from} * 2)",
                t => Done(t[at].Copy_(t[from] * 2)),
                t => Done(t[at].copy_(t[from] * 2))
            ),
            7 => new($"{on}.Tanh_()", t => Done(t[at].Tanh_()), t => Done(t[at].tanh_())),
            8 => new($"{on}.Clamp_(-1, 1)", t => Done(t[at].Clamp_(-1, 1)), t => Done(t[at].clamp_(-1, 1))),
            _ => new(
                $"{on}.Sub_(v{from}.Sum())",
                t => Done(t[at].Sub_(t[from].Sum())),
                t => Done(t[at].sub_(t[from].sum()))
            ),
        };
    }

    private static Tensor? Done(Tensor _) => null;

    private static TorchTensor? Done(TorchTensor _) => null;

    private static Line Operator(Draw d, List<long[]> shapes, int at)
    {
        string of = $"v{shapes.Count} = v{at}";
        long[] shape = shapes[at];
        shapes.Add(shape);
        switch (d.Between(0, 3))
        {
            case 0:
                return new($"{of}.Square()", t => t[at].Square(), t => t[at].square());
            case 1:
                return new($"{of} * v{at}.Sum()", t => t[at] * t[at].Sum(), t => t[at] * t[at].sum());
            case 2:
                return new($"{of}.Tanh()", t => t[at].Tanh(), t => t[at].tanh());
            default:
                return new($"{of}.Clone()", t => t[at].Clone(), t => t[at].clone());
        }
    }
}
