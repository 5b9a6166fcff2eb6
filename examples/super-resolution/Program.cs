// Makes a picture twice as large with a residual dense network (Zhang and others, 2018; weights of esrgan-slim).
using System.CommandLine;
using Picograd;
using Picograd.Data;
using Picograd.Examples;

var picture = new Argument<string>("picture") { Description = "A picture: PNG, JPEG, WebP, BMP" };
var output = new Argument<string>("output") { Description = "File for the larger one, .png or .jpg" };
var compare = new Option<string?>("--compare")
{
    Description = "A picture of the doubled size; prints the mean difference",
};
var command = new RootCommand("Makes a picture twice as large (esrgan-slim-x2.safetensors).")
{
    picture,
    output,
    Example.Data,
    compare,
};
return Example.Run(
    command,
    args,
    parsed =>
    {
        var model = new DenseNetwork(Safetensors.Load(Example.File(parsed, "esrgan-slim-x2.safetensors")));
        var image = ImageFile.Load(parsed.GetValue(picture)!);
        using var off = Tensor.NoGrad();
        var larger = model.Forward(Transforms.ToFloat()(image).Unsqueeze(0))[0].Clamp(0, 1);
        ImageFile.Save(larger, parsed.GetValue(output)!);
        Console.WriteLine($"{image.Size(2)} x {image.Size(1)} -> {larger.Size(2)} x {larger.Size(1)}");
        if (parsed.GetValue(compare) is { } other)
        {
            var wanted = ImageFile.Load(other);
            if (wanted.Shape != larger.Shape)
                throw new UsageException($"--compare has the shape {wanted.Shape}, the larger picture {larger.Shape}.");
            Console.WriteLine($"mean difference {(wanted - larger * 255).Abs().Mean().Item():F2} of 255");
        }
    }
);

/// <summary>
/// Features, two dense blocks whose results are fused, a skip over all, and windows that make 12 numbers of each pixel, repeated
/// over four pixels. Weights have Keras's names and order [height, width, in, out].
/// </summary>
public sealed class DenseNetwork(IReadOnlyDictionary<string, Tensor> weights)
{
    /// <summary>Pictures [n, 3, h, w] to [n, 3, 2h, 2w], both from 0 to 1.</summary>
    public Tensor Forward(Tensor x)
    {
        var shallow = Conv(x, "F_m1");
        var (block, blocks) = (Conv(shallow, "F_0"), new List<Tensor>());
        for (int d = 1; d <= 2; d++)
        {
            var dense = Tensor.Cat([block, Conv(block, $"F_{d}_1").Relu()], 1);
            block = Conv(dense, $"LFF_{d}") + block;
            blocks.Add(block);
        }
        var deep = Conv(Conv(Tensor.Cat([.. blocks], 1), "GFF_1"), "GFF_2") + shallow;
        var up = Conv(Conv(Conv(deep, "UPN1").Relu(), "UPN2").Relu(), "UPN3");
        return Conv(F.Interpolate(up, scaleFactor: [2], mode: "nearest"), "SR");
    }

    private Tensor Conv(Tensor x, string name) =>
        F.Conv2d(x, weights[name + "/kernel"].Permute(3, 2, 0, 1), weights[name + "/bias"], padding: "same");
}
