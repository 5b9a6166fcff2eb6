using Picograd.Schedules.Backend;

namespace Picograd.Search.CostModels;

/// <summary>What the library knows of processors beyond the analytic terms, from the recordings of its own searches.</summary>
public static class Residuals
{
    private static readonly Lazy<BoostedTrees> Shipped = new(() =>
    {
        using var stream =
            typeof(Residuals).Assembly.GetManifestResourceStream("cpu.residual")
            ?? throw new InvalidOperationException("the library was built without cpu.residual");
        using var reader = new StreamReader(stream);
        return BoostedTrees.Read(reader);
    });

    /// <summary>Of processors, made by <c>tune search-train</c>; null for GPUs, of which none is shipped.</summary>
    public static BoostedTrees? Of(TargetInfo target) => target.Gpu is null ? Shipped.Value : null;
}
