namespace Picograd.Onnx.Operators;

/// <summary>Branches, loops, sequences and optional values.</summary>
internal static class Control
{
    public static void Add(Dictionary<string, Operation> table)
    {
        table["If"] = c => Inner(c, c.Node.Graph(c[0].Reshape().Item() != 0 ? "then_branch" : "else_branch"), []);
        table["Loop"] = Loop;
        table["Scan"] = Scan;
        table["SequenceConstruct"] = c => [Enumerable.Range(0, c.Count).Select(c.Value).ToList()];
        table["SequenceEmpty"] = _ => [new List<object?>()];
        table["SequenceInsert"] = c =>
        {
            var made = new List<object?>(List(c, 0));
            made.Insert((int)Place(c, 2, made.Count, made.Count), c.Value(1));
            return [made];
        };
        table["SequenceErase"] = c =>
        {
            var made = new List<object?>(List(c, 0));
            made.RemoveAt((int)Place(c, 1, made.Count - 1, made.Count));
            return [made];
        };
        table["SequenceAt"] = c => [List(c, 0)[(int)Place(c, 1, 0, List(c, 0).Count)]];
        table["SequenceLength"] = c => [Tensor.From((long)List(c, 0).Count)];
        table["ConcatFromSequence"] = c =>
        {
            Tensor[] parts = [.. List(c, 0).Cast<Tensor>()];
            bool stacks = c.Node.Int("new_axis", 0) != 0;
            int axis = c.Axis("axis", 0, parts[0].Rank + (stacks ? 1 : 0));
            return [stacks ? Tensor.Stack(parts, axis) : Tensor.Cat(parts, axis)];
        };
        table["SplitToSequence"] = c =>
        {
            var x = c[0];
            int axis = c.Axis("axis", 0, x.Rank);
            bool isWhole = c.Given(1) is null;
            Tensor[] parts =
                isWhole ? x.Split(1, axis)
                : c[1].Rank == 0 ? x.Split(c.Needed(1)[0], axis)
                : x.Split(c.Needed(1), axis);
            bool squeezes = isWhole && c.Node.Int("keepdims", 1) == 0;
            return [parts.Select(p => (object?)(squeezes ? p.Squeeze(axis) : p)).ToList()];
        };
        table["SequenceMap"] = SequenceMap;
        table["Optional"] = c => [c.Value(0)];
        table["OptionalGetElement"] = c => [c.Value(0) ?? throw c.Node.Wrong("takes a value that is not there")];
        table["OptionalHasElement"] = c => [Tensor.From(c.Value(0) is not null)];
    }

    private static object?[] Inner(Call call, Graph graph, object?[] inputs) =>
        graph.Run(inputs, call.Scope, call.Scope.Generator, call.Scope.Training);

    private static List<object?> List(Call call, int place) =>
        call.Value(place) as List<object?> ?? throw call.Node.Wrong($"has an input {place} that is no sequence");

    private static long Place(Call call, int place, long otherwise, int count)
    {
        long at = call.Longs(place)?[0] ?? otherwise;
        at = at < 0 ? at + count : at;
        return at >= 0 && at <= count ? at : throw call.Node.Wrong($"has the place {at} of a sequence of {count}");
    }

    private static object?[] Loop(Call call)
    {
        var body = call.Node.Graph("body");
        long trips = call.Given(0)?.Reshape().Item<long>() ?? long.MaxValue;
        bool goes = call.Given(1) is not { } first || first.Reshape().Item() != 0;
        object?[] carried = [.. Enumerable.Range(2, Math.Max(0, call.Count - 2)).Select(call.Value)];
        var collected = Enumerable
            .Range(0, body.Outputs.Length - 1 - carried.Length)
            .Select(_ => new List<Tensor>())
            .ToArray();
        for (long i = 0; i < trips && goes; i++)
        {
            object?[] made = Inner(call, body, [Tensor.From(i), Tensor.From(goes), .. carried]);
            goes = ((Tensor)made[0]!).Reshape().Item() != 0;
            carried = made[1..(1 + carried.Length)];
            for (int k = 0; k < collected.Length; k++)
                collected[k].Add((Tensor)made[1 + carried.Length + k]!);
        }
        return [.. carried, .. collected.Select(c => c.Count > 0 ? Tensor.Stack([.. c], 0) : Tensor.Zeros(0))];
    }

    private static object?[] Scan(Call call)
    {
        var body = call.Node.Graph("body");
        int scanned = (int)call.Node.Int("num_scan_inputs", 1);
        // Version 8 had a batch and lengths.
        bool isOld = call.Node.Opset < 9;
        int first = isOld ? 1 : 0;
        int states = call.Count - first - scanned;
        if (isOld)
        {
            var samples = new List<object?[]>();
            for (long b = 0; b < call[first].Size(0); b++)
            {
                long sample = b;
                samples.Add(
                    Run([.. Enumerable.Range(first, call.Count - first).Select(i => call[i].Select(0, sample))])
                );
            }
            return
            [
                .. Enumerable
                    .Range(0, samples[0].Length)
                    .Select(k => (object?)Tensor.Stack([.. samples.Select(s => (Tensor)s[k]!)], 0)),
            ];
        }
        return Run([.. Enumerable.Range(0, call.Count).Select(i => call[i])]);

        object?[] Run(Tensor[] values)
        {
            object?[] state = [.. values[..states]];
            Tensor[] inputs = values[states..];
            long[] inputAxes = call.Node.Ints("scan_input_axes") ?? new long[scanned];
            long[] backwards =
                call.Node.Ints("scan_input_directions") ?? call.Node.Ints("directions") ?? new long[scanned];
            int outputs = body.Outputs.Length - states;
            long[] outputAxes = call.Node.Ints("scan_output_axes") ?? new long[outputs];
            long[] outputBackwards = call.Node.Ints("scan_output_directions") ?? new long[outputs];
            var collected = Enumerable.Range(0, outputs).Select(_ => new List<Tensor>()).ToArray();
            long steps = inputs[0].Size(call.Axis(inputAxes[0], inputs[0].Rank));
            for (long t = 0; t < steps; t++)
            {
                long step = t;
                object?[] made = Inner(
                    call,
                    body,
                    [
                        .. state,
                        .. inputs.Select(
                            (x, k) =>
                                x.Select(call.Axis(inputAxes[k], x.Rank), backwards[k] != 0 ? steps - 1 - step : step)
                        ),
                    ]
                );
                state = made[..states];
                for (int k = 0; k < outputs; k++)
                    collected[k].Insert(outputBackwards[k] != 0 ? 0 : collected[k].Count, (Tensor)made[states + k]!);
            }
            return
            [
                .. state,
                .. collected.Select((c, k) => Tensor.Stack([.. c], call.Axis(outputAxes[k], c[0].Rank + 1))),
            ];
        }
    }

    private static object?[] SequenceMap(Call call)
    {
        var body = call.Node.Graph("body");
        int count = List(call, 0).Count;
        var made = body.Outputs.Select(_ => new List<object?>()).ToArray();
        for (int i = 0; i < count; i++)
        {
            int at = i;
            object?[] outputs = Inner(
                call,
                body,
                [
                    .. Enumerable
                        .Range(0, call.Count)
                        .Select(k => call.Value(k) is List<object?> list ? list[at] : call.Value(k)),
                ]
            );
            for (int k = 0; k < outputs.Length; k++)
                made[k].Add(outputs[k]);
        }
        return [.. made];
    }
}
