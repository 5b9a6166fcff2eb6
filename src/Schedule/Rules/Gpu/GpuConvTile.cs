using System.Collections.Immutable;
using Picograd.Algorithms;
using Picograd.Schedules.Analysis;
using Picograd.Schedules.Backend;
using Picograd.Schedules.Ir;
using Picograd.Schedules.Patterns;
using Picograd.Schedules.Recipes;

namespace Picograd.Schedules.Rules.Gpu;

/// <summary>What a block makes of a convolution, and the knobs that decide it. Tiles divide the extents that they cut.</summary>
/// <param name="Channels">Channels of the result that a thread has.</param>
/// <param name="Knobs">Those of the tiled schedules only.</param>
internal sealed record GpuConvTile(long Channels, ImmutableArray<Knob> Knobs)
{
    /// <summary>The axes that a tiled schedule is about; null where a convolution is of another form.</summary>
    internal sealed record Form(Stage Stage, Load Image, Load Filters, Axis Out, Axis[] Places, Axis In, Axis[] Window)
    {
        public static Form? Of(Stage stage)
        {
            var spatial = stage.SpatialAxes.ToArray();
            var reduce = stage.ReduceAxes.ToArray();
            if (spatial.Length is not (3 or 4) || reduce.Length != spatial.Length - 1)
                return null;
            var loads = stage.Values[0].Loads().ToList();
            bool Slides(Load l) => l.Indices[^1].Uses(spatial[^1].Var);
            if (loads is not [var x, var y] || Slides(x) == Slides(y) || x.Buffer == y.Buffer)
                return null;
            var (image, filters) = Slides(x) ? (x, y) : (y, x);
            // Filters are indexed by the channel out and all that is summed over, each alone.
            bool plain = filters.Indices.Length == reduce.Length + 1 && filters.Indices.All(i => i is Var);
            bool all = reduce.Append(spatial[1]).All(a => filters.Indices.Contains(a.Var));
            return plain && all
                ? new Form(stage, image, filters, spatial[1], spatial[2..], reduce[0], reduce[1..])
                : null;
        }

        public long GroupSize
        {
            get
            {
                // Channels out whose windows see the same channels in: the divisor where the image's index divides.
                long group = Extents.Of(Out);
                foreach (var index in Image.Indices.Where(i => i.Uses(Out.Var)))
                {
                    group = 1;
                    foreach (long divisor in Divisors(Extents.Of(Out)))
                    {
                        var t = new Var("t");
                        var inside = index.Substitute(new Dictionary<Var, Expr> { [Out.Var] = t });
                        var ranges = new Dictionary<Var, Interval> { [t] = new(0, divisor - 1) };
                        if (!Simplifier.Simplify(inside, ranges).Uses(t))
                            group = Math.Max(group, divisor);
                    }
                }
                return group;
            }
        }
    }

    public static GpuConvTile? For(Algorithm algorithm, GpuInfo gpu)
    {
        if (Form.Of(algorithm.Stages[0]) is not { } form)
            return null;
        long size = form.Stage.Output.Type.Size();
        long group = form.GroupSize;
        long width = Extents.Of(form.Places[^1]);
        long height = form.Places.Length > 1 ? Extents.Of(form.Places[0]) : 1;
        long depth = Extents.Of(form.In);
        long images = Extents.Of(form.Stage.SpatialAxes.First());
        // One channel out a group shares nothing of the filters, and one channel in leaves nothing to go step by step.
        if (group < 2 || width * height < 16)
            return null;
        long channels = Largest(group, size > 4 ? 4 : 8);
        long wide = Largest(width, 64);
        long places = Largest(wide, 4);
        long slices = Largest(group / channels, 4);
        long high = 1;
        foreach (long rows in Divisors(height).Where(r => r <= 16))
        {
            long threads = rows * (wide / places) * slices;
            long blocks = images * (height / rows) * (width / wide) * (Extents.Of(form.Out) / (channels * slices));
            if (threads <= 256 && (threads <= 64 || blocks >= gpu.Multiprocessors))
                high = rows;
        }
        long step = Largest(depth, 8);
        return new GpuConvTile(
            channels,
            [
                GpuConvKnobs.Slices.Offer(GpuConvRule.Values([1, 2, 4, 8, 16], slices, group), slices),
                GpuConvKnobs.Rows.Offer(GpuConvRule.Values([1, 2, 4, 7, 8, 14, 16], high, height), high),
                GpuConvKnobs.Columns.Offer(GpuConvRule.Values([7, 8, 14, 16, 28, 32, 56, 64], wide, width), wide),
                GpuConvKnobs.Places.Offer(GpuConvRule.Values([1, 2, 4, 7, 8], places, 8), places),
                GpuConvKnobs.Step.Offer(GpuConvRule.Values([1, 2, 4, 8, 16], step, depth), step),
            ]
        );
    }

    /// <summary>The largest divisor that is at most so much.</summary>
    public static long Largest(long extent, long most) => Divisors(extent).Where(d => d <= most).Max();

    private static IEnumerable<long> Divisors(long n)
    {
        for (long d = 1; d <= n; d++)
        {
            if (n % d == 0)
                yield return d;
        }
    }
}
