using System.Collections.Immutable;
using Picograd.Algorithms;
using Picograd.Algorithms.Evaluation;
using Picograd.Schedules.Interpret;
using Picograd.Schedules.Ir;
using Picograd.Schedules.Primitives;
using Picograd.Schedules.Traces;

namespace Picograd.Tests.Properties;

/// <summary>An algorithm with data and its right answer, on which many schedules are tried.</summary>
internal sealed class Subject
{
    public Subject(Recipe recipe)
    {
        Recipe = recipe;
        Algorithm = recipe.Build();
        Data = recipe.Data(Algorithm);
        Expected = Evaluator.RunWithBounds(Algorithm, Data, recipe.Parameters);
    }

    public Recipe Recipe { get; }

    public Algorithm Algorithm { get; }

    /// <summary>Values of the inputs.</summary>
    public IReadOnlyDictionary<Buffer, NDArray> Data { get; }

    /// <summary>The right outputs.</summary>
    public IReadOnlyDictionary<Buffer, BoundedArray> Expected { get; }

    /// <summary>Runs the nest; says what is wrong, or null.</summary>
    public string? Wrong(LoopNest nest, int seed)
    {
        HostArray[] arguments =
        [
            .. Algorithm.Inputs.Select(b => HostArray.From(Data[b], b)),
            .. Algorithm.Outputs.Select(b => HostArray.For(b, Recipe.Parameters)),
        ];
        try
        {
            Interpreter.Run(
                nest,
                arguments,
                Recipe.Parameters,
                new InterpreterOptions(Seed: seed, ThreadLoopsJoin: true)
            );
        }
        catch (SanitizerException e)
        {
            return e.Message;
        }
        for (int o = 0; o < Algorithm.Outputs.Length; o++)
        {
            var expected = Expected[Algorithm.Outputs[o]];
            var actual = arguments[Algorithm.Inputs.Length + o].ToNDArray();
            for (int i = 0; i < actual.Length; i++)
            {
                if (!expected.Accepts(i, actual.At(i)))
                    return $"{Algorithm.Outputs[o].Name} element {i} is {actual.At(i)}, must be {expected.Value.At(i)} within {expected.Bound[i]}\n{nest}";
            }
        }
        return null;
    }
}

/// <summary>Outcomes by primitive, over a whole run.</summary>
internal sealed class Tally
{
    private readonly Dictionary<string, (int Accepted, int Refused)> _counts = [];

    public void Count(string primitive, bool accepted)
    {
        var (yes, no) = _counts.GetValueOrDefault(primitive);
        _counts[primitive] = accepted ? (yes + 1, no) : (yes, no + 1);
    }

    public int Accepted(string primitive) => _counts.GetValueOrDefault(primitive).Accepted;

    public override string ToString() =>
        string.Join(
            "\n",
            PrimitiveRegistry
                .All.Keys.Order(StringComparer.Ordinal)
                .Select(p =>
                    $"{p, -24} accepted {_counts.GetValueOrDefault(p).Accepted, 6}  refused {_counts.GetValueOrDefault(p).Refused, 6}"
                )
        );
}

/// <summary>A recipe and the steps of a schedule on it: what is reported and shrunk.</summary>
internal sealed record PropertyCase(Recipe Recipe, ImmutableArray<Step> Steps, int Seed)
{
    /// <summary>
    /// Applies the steps (those that are refused are left out) and runs the result, as it is and after every stage of
    /// lowering; also replays its trace. Says what is wrong, or null.
    /// </summary>
    public string? Failure() => Failure(Check);

    /// <summary>As <see cref="Failure()"/> with another check of the result.</summary>
    public string? Failure(Func<Subject, LoopNest, int, string?> check)
    {
        Subject subject;
        try
        {
            subject = new Subject(Recipe);
        }
        catch (Exception e) when (e is ArgumentException or EvaluationException)
        {
            // Shrinking may make an algorithm that has no meaning; that is not the failure looked for.
            return null;
        }
        var nest = InitialNest.Of(subject.Algorithm);
        foreach (var step in Steps)
        {
            try
            {
                nest = PrimitiveRegistry.Get(step.Primitive).Apply(nest, step);
            }
            catch (ScheduleException)
            {
                // Shrinking may leave a step that is refused now: the case is then the steps around it.
            }
            catch (Exception e)
            {
                return $"step {step} threw {e}\nbefore it:\n{nest}";
            }
        }
        return check(subject, nest, Seed);
    }

    /// <summary>Says what is wrong with a nest of the subject, or null.</summary>
    public static string? Check(Subject subject, LoopNest nest, int seed)
    {
        try
        {
            if (subject.Wrong(nest, seed) is { } wrong)
                return wrong;
            var again = Trace.Parse(Trace.Of(nest).ToString()).Replay(subject.Algorithm);
            if (NestHash.Of(again) != NestHash.Of(nest) || again.ToString() != nest.ToString())
                return $"the trace replays to another nest\n{nest}\nreplayed:\n{again}";
            foreach (var (stage, lowered) in Lowered.Stages(nest))
            {
                if (subject.Wrong(lowered, seed) is { } broken)
                    return $"after {stage}: {broken}";
            }
            return null;
        }
        catch (Exception e) when (e is not SanitizerException)
        {
            return $"checking threw {e}\n{nest}";
        }
    }

    /// <summary>The smallest failing case that dropping steps, stages and extents leads to.</summary>
    public PropertyCase Shrink() => Shrink(Check);

    /// <summary>As <see cref="Shrink()"/> for another check.</summary>
    public PropertyCase Shrink(Func<Subject, LoopNest, int, string?> check)
    {
        var best = this;
        int budget = 400;
        bool Try(PropertyCase smaller)
        {
            if (budget-- <= 0 || smaller.Failure(check) is null)
                return false;
            best = smaller;
            return true;
        }
        bool shrunk = true;
        while (shrunk && budget > 0)
        {
            shrunk = false;
            for (int i = best.Steps.Length - 1; i >= 0; i--)
                shrunk |= Try(best with { Steps = best.Steps.RemoveAt(i) });
            for (int i = best.Recipe.Forms.Length - 1; i >= 0 && best.Recipe.Forms.Length > 1; i--)
                shrunk |= Try(best with { Recipe = best.Recipe with { Forms = best.Recipe.Forms.RemoveAt(i) } });
            for (int d = 0; d < best.Recipe.Extents.Length; d++)
            {
                long extent = best.Recipe.Extents[d];
                foreach (long smaller in new[] { 1, 2, extent / 2, extent - 1 }.Where(e => e > 0 && e < extent))
                {
                    var extents = best.Recipe.Extents.SetItem(d, smaller);
                    if (Try(best with { Recipe = best.Recipe with { Extents = extents } }))
                    {
                        shrunk = true;
                        break;
                    }
                }
            }
            if (best.Recipe.Symbolic)
                shrunk |= Try(best with { Recipe = best.Recipe with { Symbolic = false } });
        }
        return best;
    }

    public string Describe() =>
        $"{Recipe}\n{Recipe.Build()}\nsteps (order seed {Seed}):\n{string.Join("\n", Steps.Select(s => "  " + s))}";
}
