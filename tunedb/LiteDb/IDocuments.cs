namespace Picograd.TuneDb.LiteDb;

/// <summary>Documents as they can be looked up: those of a file, or those of a change that is being made to it.</summary>
internal interface IDocuments
{
    /// <summary>The document of a name; null without one.</summary>
    Fields? Find(string collection, string id);

    /// <summary>The documents whose names begin with a text, in ordinal order of their names.</summary>
    /// <param name="collection">Where.</param>
    /// <param name="prefix">The beginning of the names.</param>
    /// <param name="only">The one value that is wanted beside the name; all when null.</param>
    IEnumerable<Fields> Range(string collection, string prefix, string? only = null);
}

/// <summary>The collections of a tune database and how their documents are named.</summary>
internal static class Collections
{
    /// <summary>Records, <c>FAMILY/KEY/c</c> if certified, else <c>FAMILY/KEY/w</c>: what is near has a common beginning.</summary>
    public const string Records = "records";

    /// <summary>Offers, <c>KEY/CHANGE.NUMBER</c>.</summary>
    public const string History = "history";

    /// <summary>The log of candidates, <c>KEY/CHANGE.NUMBER</c>.</summary>
    public const string Candidates = "candidates";

    /// <summary>The keys of the candidates by their hashes.</summary>
    public const string Keys = "keys";

    /// <summary>The targets that certified records are for, by their hashes: asked for after look-ups that find nothing.</summary>
    public const string Targets = "targets";

    public static readonly string[] All = [Records, History, Candidates, Keys, Targets];
}
