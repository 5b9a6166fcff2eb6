using System.Collections.Immutable;
using Picograd.Algorithms;
using Picograd.Lower.Cpu.Codegen;
using Picograd.Schedules.Backend;
using Picograd.Schedules.Ir;
using Picograd.Schedules.Traces;
using Mending = System.Collections.Generic.IEnumerable<(
    string Text,
    System.Func<Picograd.Schedules.Ir.LoopNest> Apply
)>;

namespace Picograd.Lower.Cpu.Warnings;

/// <summary>
/// Warns of schedules that cost time for no reason. Warnings come from the nest after all passes, which is what the code is
/// emitted from: what the compiler mends by itself is not warned of. And they are tried: of a test, a scalar loop or a strided
/// vector is warned only where some primitives take it away and make the kernel cheaper, and these are named.
/// </summary>
public sealed class ScheduleWarnings
{
    /// <summary>Of the kernel's work; less than this is not worth a warning.</summary>
    private const double Hot = 0.2;

    /// <summary>Instructions; a smaller kernel takes less than a microsecond whatever its schedule.</summary>
    private const double LeastWork = 2000;

    /// <summary>Of a loop's instructions; fewer tests than that do not show.</summary>
    private const double FewTests = 0.08;

    /// <summary>Of the cost before; a mend must bring it below.</summary>
    private const double Cheaper = 0.75;

    private readonly LoopNest _nest;
    private readonly CpuBackend _backend;
    private readonly LoweredLoops _code;
    private readonly int _bits;
    private readonly List<ScheduleWarning> _warnings = [];

    private ScheduleWarnings(LoopNest nest, CpuBackend backend)
    {
        (_nest, _backend, _bits) = (nest, backend, backend.Target.VectorBits);
        _code = LoweredLoops.Of(backend.Lower(nest), _bits);
    }

    /// <summary>The warnings of a nest, those that cost most first.</summary>
    /// <param name="nest">As scheduled, before any pass.</param>
    /// <param name="backend">What it is compiled for.</param>
    /// <exception cref="LoweringException">The back end refuses the nest.</exception>
    public static IReadOnlyList<ScheduleWarning> Of(LoopNest nest, CpuBackend backend)
    {
        ArgumentNullException.ThrowIfNull(nest);
        ArgumentNullException.ThrowIfNull(backend);
        var warnings = new ScheduleWarnings(nest, backend);
        if (warnings._code.Work >= LeastWork)
        {
            warnings.Tests();
            warnings.Spills();
            warnings.Sums();
            warnings.Scalars();
            warnings.StridedVectors();
            warnings.SerialVectors();
        }
        return [.. warnings._warnings.OrderByDescending(w => w.Share)];
    }

    // ---- test-in-inner-loop

    private static bool IsTest(Expr cond, For? lane) =>
        // What varies with the lanes is a mask, one instruction for all of them.
        !cond.Loads().Any() && cond.FreeVars().Count > 0 && (lane is null || !cond.Uses(lane.Var));

    private static IEnumerable<Expr> TestsOf(LoweredStore site) =>
        site
            .Conditions.Concat(site.Store.Value.Nodes().OfType<Select>().Select(s => s.Cond))
            .Where(c => IsTest(c, site.Lane));

    private static int CountTests(LoweredStore site) => TestsOf(site).Distinct().Count();

    // Of several tests of one statement each counts; none where they are few among the loop's instructions.
    private static double TestWork(IEnumerable<LoweredStore> loop)
    {
        var sites = loop.ToList();
        double tests = sites.Sum(s => s.Executions * CountTests(s));
        return tests < FewTests * sites.Sum(s => s.Work) ? 0 : sites.Sum(s => s.Work * CountTests(s));
    }

    private static double TestWork(LoweredLoops code) => InLoops(code).Sum(TestWork);

    private static IEnumerable<IEnumerable<LoweredStore>> InLoops(LoweredLoops code) =>
        code
            .Loops.Where(l => l.Loop is not null)
            .SelectMany(l => l.Stores, (l, site) => (l.Loop, Site: site))
            .GroupBy(l => l.Loop, l => l.Site, ReferenceEqualityComparer.Instance);

    private void Tests()
    {
        double share = TestWork(_code) / _code.Work;
        if (share < Hot)
            return;
        var site = InLoops(_code).MaxBy(TestWork)!.First(s => CountTests(s) > 0);
        var worst = _code.Loops.First(l => l.Stores.Contains(site));
        // There may be several of different kinds: each mend goes on from the one before.
        var texts = new List<string>();
        var (nest, left) = (_nest, TestWork(_code));
        foreach (var family in new[] { Mends.Initialisation, Mends.Tails, (Func<LoopNest, Mending>)Mends.Padding })
        {
            var found = FirstThat(family(nest), code => TestWork(code) < 0.9 * left && code.Work <= 1.05 * _code.Work);
            if (found is not { } mend)
                continue;
            texts.Add(mend.Text);
            (nest, left) = (mend.Nest, TestWork(mend.Code));
        }
        // A test that the algorithm itself makes is nobody's fault.
        if (left >= TestWork(_code) / 2)
            return;
        string tested = string.Join("' and '", TestsOf(site).Select(c => c.ToString()).Distinct());
        bool one = !tested.Contains('\'');
        Warn(
            ScheduleWarning.TestInInnerLoop,
            $"'{tested}' {(one ? "is" : "are")} tested in every iteration of {worst.Loop!.Name}",
            worst,
            site,
            Math.Min(1, share),
            $"{string.Join(", then ", texts)} takes {(one ? "it" : "them")} out"
        );
    }

    // ---- spilled-registers

    private void Spills()
    {
        foreach (var loop in _code.Loops)
        {
            double share = loop.Stores.Sum(s => s.Work) / _code.Work;
            if (share < Hot || _warnings.Exists(w => w.Name == ScheduleWarning.SpilledRegisters))
                continue;
            var (accumulators, others) = Registers(loop);
            int there = _backend.Target.VectorRegisters;
            if (accumulators + others > there)
            {
                Warn(
                    ScheduleWarning.SpilledRegisters,
                    $"{accumulators} accumulators and {others} operands need {accumulators + others} vector registers of {there}",
                    loop,
                    loop.Stores[0],
                    share,
                    $"a tile of {there - others} accumulators at most keeps them in registers"
                );
            }
            else if (loop.Stores.Find(IsSpilled) is { } site)
            {
                var buffer = Touched(site).First(b => b.Scope == Scope.Register && _code.IsMemory(b));
                string elements = string.Join(" × ", buffer.Shape.Select(e => e.ToString()));
                Warn(
                    ScheduleWarning.SpilledRegisters,
                    $"the register buffer {buffer.Name} of {elements} elements is memory",
                    loop,
                    site,
                    share,
                    "reverse_compute_at its copy into the loops over tiles, with factors that are constants, makes it small enough for registers"
                );
            }
        }
    }

    private bool IsSpilled(LoweredStore site) =>
        Touched(site).Any(b => b.Scope == Scope.Register && _code.IsMemory(b)) && site.Work >= Hot * _code.Work;

    private static IEnumerable<Buffer> Touched(LoweredStore site) =>
        site.Store.Value.Loads().Select(l => l.Buffer).Prepend(site.Store.Buffer);

    /// <summary>
    /// Registers that an inner loop keeps from one iteration to the next, and those for operands that several of its
    /// instructions share, with one for a factor that all lanes have in common.
    /// </summary>
    private (int Accumulators, int Others) Registers(InnerLoop loop)
    {
        var held = new HashSet<(Buffer, long)>();
        var loads = new Dictionary<(Buffer, string), int>();
        bool splats = false;
        foreach (var site in loop.Stores)
        {
            Hold(site.Store.Buffer, site.Store.Indices, site.Lane);
            foreach (var load in site.Store.Value.Loads())
            {
                if (!_code.IsMemory(load.Buffer))
                {
                    Hold(load.Buffer, load.Indices, site.Lane);
                }
                else if (site.Lane is { } lane && load.Type == site.Store.Buffer.Type)
                {
                    if (LoweredLoops.Stride(load.Buffer, load.Indices, lane.Var) == 0)
                        splats = true;
                    else
                        Count(load, lane);
                }
            }
        }
        return (held.Count, loads.Count(l => l.Value > 1) + (splats ? 1 : 0));

        void Hold(Buffer buffer, ImmutableArray<Expr> indices, For? lane)
        {
            int lanes = _code.LanesOf(buffer);
            bool vector = lanes > 1 || buffer.Type.IsFloat();
            if (lanes > 0 && vector && RegisterPromotion.Place(buffer, indices, lane?.Var, lanes) is { } place)
                held.Add((buffer, place.Element));
        }

        void Count(Load load, For lane)
        {
            var form = LinearForm.Of(load.Buffer.Offset(load.Indices));
            string place = form.Partition(a => ReferenceEquals(a, lane.Var)).Others.ToExpr().ToString()!;
            loads[(load.Buffer, place)] = loads.GetValueOrDefault((load.Buffer, place)) + 1;
        }
    }

    // ---- sums-in-memory

    private void Sums()
    {
        foreach (var loop in _code.Loops.Where(l => l.Loop is not null))
        {
            var sums = loop.Stores.Where(s => IsSumInMemory(s, loop)).ToList();
            double share = sums.Sum(s => s.Work) / _code.Work;
            if (share < Hot || _warnings.Exists(w => w.Name == ScheduleWarning.SumsInMemory))
                continue;
            var buffer = sums[0].Store.Buffer;
            var over = Repeated(sums[0], loop)!;
            Warn(
                ScheduleWarning.SumsInMemory,
                $"{buffer.Name} is loaded and stored again in each of the {over.Extent} iterations of {over.Name}",
                loop,
                sums[0],
                share,
                $"cache_write {buffer.Name.Split('.')[0]} register and a tile of sums inside {over.Name} keep them in registers"
            );
        }
    }

    private bool IsSumInMemory(LoweredStore site, InnerLoop loop) =>
        _code.IsMemory(site.Store.Buffer)
        && !site.IsTuple
        && !site.Store.Indices.Any(i => i.Loads().Any())
        && site.Store.Value.Loads()
            .Any(l => l.Buffer == site.Store.Buffer && l.Indices.SequenceEqual(site.Store.Indices))
        && Repeated(site, loop) is not null;

    // The innermost loop in whose iterations the same elements are met again.
    private static For? Repeated(LoweredStore site, InnerLoop loop) =>
        loop.Around.LastOrDefault(l => l.ConstantExtent is null or > 1 && !site.Store.Indices.Any(i => i.Uses(l.Var)));

    // ---- scalar-inner-loop

    private static bool IsScalar(LoweredStore site) =>
        site.Lane is null
        && !site.IsTuple
        && site.Store.Buffer.Type is DType.Float32 or DType.Float64 or DType.Int32 or DType.UInt32 or DType.Int64;

    private static double ScalarWork(LoweredLoops code) =>
        code.Loops.Where(l => l.Loop is not null).Sum(l => l.Stores.Where(IsScalar).Sum(s => s.Work));

    private void Scalars()
    {
        double share = ScalarWork(_code) / _code.Work;
        if (share < Hot)
            return;
        var worst = _code.Loops.Where(l => l.Loop is not null).MaxBy(l => l.Stores.Where(IsScalar).Sum(s => s.Work))!;
        if (worst.Stores.Where(IsScalar).MaxBy(s => s.Work) is not { } site)
            return;
        int lanes = _bits / 8 / site.Store.Buffer.Type.Size();
        // Scalars in exchange for lanes that are apart are no gain.
        bool Mended(LoweredLoops code) =>
            ScalarWork(code) < ScalarWork(_code) / 2 && StridedWork(code) <= StridedWork(_code);
        if (Cheapest(Mends.OtherVectors(_nest, lanes), Mended) is not { } mend)
            return;
        string marked = _nest.Loops.Any(l => l.Kind == LoopKind.Vector && worst.Around.Any(a => a.Name == l.Name))
            ? ", though marked vector, since its accesses are no vectors"
            : "";
        Warn(
            ScheduleWarning.ScalarInnerLoop,
            $"{worst.Loop!.Name} computes one element at a time where {lanes} fit a vector{marked}",
            worst,
            site,
            share,
            $"{mend} makes it a vector loop"
        );
    }

    // ---- strided-vector

    private static double StridedWork(LoweredLoops code) =>
        code.Loops.Sum(l => l.Stores.Where(s => s.Strided.Count > 0).Sum(s => s.Work));

    private void StridedVectors()
    {
        double share = StridedWork(_code) / _code.Work;
        if (share < Hot)
            return;
        var worst = _code.Loops.MaxBy(l => l.Stores.Where(s => s.Strided.Count > 0).Sum(s => s.Work))!;
        var site = worst.Stores.Where(s => s.Strided.Count > 0).MaxBy(s => s.Work)!;
        int lanes = (int)site.Lane!.ConstantExtent!.Value;
        int most = _bits / 8 / site.Store.Buffer.Type.Size();
        bool Mended(LoweredLoops code) => StridedWork(code) < StridedWork(_code) / 2;
        string? mend =
            WithoutVectors() is { } plain && Cheapest(Mends.OtherVectors(plain, most), Mended) is { } other
                ? $"{other} in its place"
                : Cheapest(Mends.SquareBlocks(_nest, most), Mended);
        var buffer = site.Strided[0];
        if (mend is null && IsReadAgain(site, worst, buffer))
            mend = $"cache_read {buffer.Name} and transform_layout, which puts the lanes side by side once for all,";
        if (mend is null)
            return;
        string by = LoweredLoops.Stride(buffer, IndicesOf(site, buffer), site.Lane.Var) is { } stride
            ? $"{stride} elements apart"
            : "apart by symbolic extents";
        Warn(
            ScheduleWarning.StridedVector,
            $"the {lanes} lanes of {site.Lane.Name} are {by} in {buffer.Name}",
            worst,
            site,
            share,
            $"{mend} makes them one access"
        );
    }

    // ---- serial-vector

    private void SerialVectors()
    {
        if (_warnings.Exists(w => w.Name == ScheduleWarning.ScalarInnerLoop))
            return;
        var marked = _nest.Loops.Where(l => l.Kind == LoopKind.Vector).Select(l => l.Name).ToHashSet();
        var loops = _code
            .Loops.Where(l => l.Loop is { Kind: not LoopKind.Vector } loop && marked.Contains(loop.Name))
            .ToList();
        double share = loops.Sum(l => l.Stores.Sum(s => s.Work)) / _code.Work;
        if (share < Hot)
            return;
        var worst = loops.MaxBy(l => l.Stores.Sum(s => s.Work))!;
        var extents = _nest.Algorithm.Parameters.Select(p => p.Var).ToHashSet();
        string what = VectorAnalysis.Refused(worst.Loop!, extents) is { } value
            ? $"vectors cannot hold {value}"
            : "its stores are no vectors";
        Warn(
            ScheduleWarning.SerialVector,
            $"{worst.Loop!.Name} is marked vector, but runs one element at a time: {what}",
            worst,
            worst.Stores[0],
            share,
            "vectorize of another loop, along which the accesses run through memory, or none, says what is meant"
        );
    }

    private LoopNest? WithoutVectors()
    {
        try
        {
            return Mends.Without(_nest, s => s.Primitive == "vectorize");
        }
        catch (Exception e) when (e is TraceException or ScheduleException)
        {
            return null;
        }
    }

    private static ImmutableArray<Expr> IndicesOf(LoweredStore site, Buffer buffer) =>
        site.Store.Buffer == buffer
            ? site.Store.Indices
            : site.Store.Value.Loads().First(l => l.Buffer == buffer).Indices;

    // A copy in another order pays where the same elements are read several times.
    private static bool IsReadAgain(LoweredStore site, InnerLoop loop, Buffer buffer) =>
        site.Store.Buffer != buffer
        && loop.Around.Any(l => l.ConstantExtent is null or >= 8 && !IndicesOf(site, buffer).Any(i => i.Uses(l.Var)));

    // ---- common

    /// <summary>The first change that is legal and leads to code that satisfies a test.</summary>
    private (string Text, LoopNest Nest, LoweredLoops Code)? FirstThat(Mending mends, Func<LoweredLoops, bool> test)
    {
        foreach (var found in Legal(mends))
        {
            if (test(found.Code))
                return found;
        }
        return null;
    }

    /// <summary>Of the changes that lead to cheaper code that satisfies a test the one with the cheapest.</summary>
    private string? Cheapest(Mending mends, Func<LoweredLoops, bool> test) =>
        Legal(mends)
            .Where(m => m.Code.Work < Cheaper * _code.Work && test(m.Code))
            .OrderBy(m => m.Code.Work)
            .Select(m => m.Text)
            .FirstOrDefault();

    private IEnumerable<(string Text, LoopNest Nest, LoweredLoops Code)> Legal(Mending mends)
    {
        foreach (var (text, apply) in mends)
        {
            LoopNest nest;
            LoweredLoops code;
            try
            {
                nest = apply();
                code = LoweredLoops.Of(_backend.Lower(nest), _bits);
            }
            catch (Exception e) when (e is ScheduleException or TraceException or LoweringException)
            {
                // Not legal here.
                continue;
            }
            yield return (text, nest, code);
        }
    }

    private void Warn(string name, string problem, InnerLoop loop, LoweredStore site, double share, string mend)
    {
        var names = loop.Around.Select(l => l.Name);
        if (site.Lane is { } lane)
            names = names.Append($"{lane.Name} (vector)");
        string place = string.Join(" > ", names);
        _warnings.Add(
            new ScheduleWarning(
                ScheduleWarning.KindOf(name),
                problem,
                place.Length > 0 ? place : "no loop",
                share,
                mend
            )
        );
    }
}
