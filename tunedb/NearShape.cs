namespace Picograd.TuneDb;

/// <summary>Shapes of a family with their distance from those that are looked for.</summary>
/// <remarks>A type of its own, because generic code over it is compiled ahead of time and code over tuples is not.</remarks>
internal readonly record struct NearShape(double Distance, string Shapes)
{
    /// <summary>Nearest first; ties in ordinal order of the shapes.</summary>
    public static int Order(NearShape one, NearShape other)
    {
        var byDistance = one.Distance.CompareTo(other.Distance);
        return byDistance != 0 ? byDistance : string.CompareOrdinal(one.Shapes, other.Shapes);
    }
}
