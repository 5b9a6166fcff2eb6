using Picograd.Algorithms;

namespace Picograd.Tests.Properties;

/// <summary>Algorithms and preparing steps that make it likely that a primitive applies.</summary>
internal sealed record Situation(Form[][] Forms, params string[] Steps)
{
    private static readonly Form[] Chain = [Form.Map, Form.Map];
    private static readonly Form[] ReduceAfterMap = [Form.Map, Form.Reduce];
    private static readonly Situation Copies = new(
        [
            [Form.Reduce],
            [Form.Contract],
        ],
        "cache_read",
        "copy inside"
    );

    /// <summary>By primitive; any algorithm does for those that are not here.</summary>
    public static IReadOnlyDictionary<string, Situation> All { get; } =
        new Dictionary<string, Situation>
        {
            ["annotate"] = new([], "parallel"),
            ["cache_read"] = new(
                [
                    [Form.Contract],
                    [Form.Stencil],
                ],
                "split"
            ),
            ["compute_at"] = new(
                [Chain, [Form.Map, Form.Stencil], ReduceAfterMap, [Form.Reduce, Form.Broadcast]],
                "split"
            ),
            ["compute_inline"] = new([Chain, [Form.Stencil, Form.Map]]),
            ["double_buffer"] = Copies,
            ["pipeline"] = Copies,
            ["decompose_padding"] = new([
                [Form.Pad],
                [Form.Strided],
            ]),
            ["decompose_reduction"] = new(
                [
                    [Form.Reduce],
                    [Form.Contract],
                    [Form.ArgMax],
                ],
                "reorder"
            ),
            ["online_softmax"] = new(
                [
                    [Form.Mixture],
                    [Form.Mixture, Form.Map],
                ],
                "split",
                "key loop out"
            ),
            ["pad_einsum"] = new([
                [Form.Contract],
            ]),
            ["reverse_compute_at"] = new([Chain, [Form.Contract, Form.Map], [Form.Reduce, Form.Map]], "split"),
            ["reverse_compute_inline"] = new([Chain, [Form.Gather, Form.Map]]),
            ["rfactor"] = new(
                [
                    [Form.Reduce],
                    [Form.Contract],
                    [Form.ArgMax],
                ],
                "split"
            ),
            ["set_scope"] = new([Chain]),
            ["skip_zeros"] = new(
                [
                    [Form.Masked],
                    [Form.Map, Form.Masked],
                ],
                "split",
                "reorder",
                "decompose_reduction"
            ),
            ["specialize"] = new([]) { Fit = r => r with { Symbolic = true } },
            ["storage_align"] = new([
                [Form.Broadcast, Form.Map],
                [Form.Contract, Form.Map],
            ]),
            ["store_at"] = new([Chain, [Form.Map, Form.Stencil], ReduceAfterMap], "split", "compute_at"),
            ["swizzle"] = new([
                [Form.Broadcast, Form.Map],
                [Form.Contract, Form.Map],
            ]),
            ["tensorize"] = new(
                [
                    [Form.Scatter],
                    [Form.Reduce],
                    [Form.Contract],
                ],
                "decompose_reduction"
            )
            {
                // Only whole tiles of float32 have instructions.
                Fit = r => r with { Extents = [8, 4, 8, 4], Symbolic = false, Type = DType.Float32 },
            },
            ["transform_layout"] = new([Chain, [Form.Broadcast, Form.Contract]]),
        };

    /// <summary>Makes a recipe fit further.</summary>
    public Func<Recipe, Recipe> Fit { get; init; } = recipe => recipe;

    public static Recipe Draw(string primitive, int seed)
    {
        var forms = All.TryGetValue(primitive, out var situation) ? situation.Forms : [];
        var random = new Random(seed);
        // One in four is about anything.
        if (situation is null || random.Next(4) == 0)
            return Recipe.Draw(seed);
        return situation.Fit(
            forms.Length == 0 ? Recipe.Draw(seed) : Recipe.Draw(seed, forms[random.Next(forms.Length)])
        );
    }

    public static IReadOnlyList<string> Before(string primitive) =>
        All.TryGetValue(primitive, out var situation) ? situation.Steps : [];
}
