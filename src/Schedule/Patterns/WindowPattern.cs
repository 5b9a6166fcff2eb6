using System.Collections.Immutable;
using Picograd.Algorithms;
using Picograd.Schedules.Ir;

namespace Picograd.Schedules.Patterns;

/// <summary>
/// A dimension of an operand that is read at Stride·place + Dilation·offset + Start, the place an axis of the results and the
/// offset one that is reduced: convolutions and pools of any stride, padding and dilation. Where the gradient slides back, the
/// dilation is negative.
/// </summary>
public sealed record WindowPattern(
    Load Load,
    int Dimension,
    Axis Place,
    long Stride,
    Axis Offset,
    long Dilation,
    long Start
)
{
    /// <summary>The windows of one operand, by dimension.</summary>
    public static ImmutableArray<WindowPattern> Of(Load load, Stage stage)
    {
        var found = ImmutableArray.CreateBuilder<WindowPattern>();
        for (int d = 0; d < load.Indices.Length; d++)
        {
            var form = LinearForm.Of(load.Indices[d]);
            if (form.Terms.Length != 2)
                continue;
            Axis? At(AxisKind kind) =>
                stage.Axes.FirstOrDefault(a => a.Kind == kind && form.Terms.Any(t => ReferenceEquals(t.Atom, a.Var)));
            if (At(AxisKind.Spatial) is { } place && At(AxisKind.Reduce) is { Extent: IntImm { Value: > 1 } } offset)
            {
                found.Add(
                    new(
                        load,
                        d,
                        place,
                        form.CoefficientOf(place.Var),
                        offset,
                        form.CoefficientOf(offset.Var),
                        form.Constant
                    )
                );
            }
        }
        return found.ToImmutable();
    }
}
