using Picograd.Calls;

namespace Picograd.Gradients;

/// <summary>What index tensors pick from a region of a dense tensor.</summary>
internal sealed record PartOfRegion(Layout Region, IndexPart Part);

// Reads and writes through index tensors, whose places are saved. Data says which part of what.
internal static partial class Derivatives
{
    // A: what is picked from, B: places. Data: the part.
    public static readonly Rule Index = new(
        "index",
        Saves.B,
        static (n, g) => n.Send(0, Tensor.AddedIntoPart(g, n.Shape(0), (IndexPart)n.Data! with { Places = n.B }))
    );

    // The sum above, differentiated: A: gradients of what was picked, B: places.
    public static readonly Rule IndexGrad = new(
        "index_grad",
        Saves.B,
        static (n, g) => n.Send(0, g.ReadPart((IndexPart)n.Data! with { Places = n.B }))
    );

    // A part of A was overwritten by B; C: places.
    public static readonly Rule IndexPut = new(
        "index_put",
        Saves.C,
        static (n, g) =>
        {
            var place = At(n.Data!, n.C);
            if (n.Needs(0))
                n.Send(0, g.WithoutPart(place));
            if (n.Needs(1))
                n.Send(1, g.RegionOf(place.Region).ReadPart(place.Part));
        }
    );

    // B was added to a part of A; C: places.
    public static readonly Rule IndexAdd = new(
        "index_put",
        Saves.C,
        static (n, g) =>
        {
            n.Send(0, g);
            var place = At(n.Data!, n.C);
            if (n.Needs(1))
                n.Send(1, g.RegionOf(place.Region).ReadPart(place.Part));
        }
    );

    // A with zeros in a part; B: places.
    public static readonly Rule WithoutPart = new(
        "index_put",
        Saves.B,
        static (n, g) => n.Send(0, g.WithoutPart(At(n.Data!, n.B)))
    );

    private static PartOfRegion At(object data, Tensor places)
    {
        var place = (PartOfRegion)data;
        return place with { Part = place.Part with { Places = places } };
    }
}
