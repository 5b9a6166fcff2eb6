using Xunit;

namespace Picograd.Tests;

/// <summary>The parts of Stable Diffusion 1: names and sizes of the public checkpoint, shapes of small ones.</summary>
public sealed class StableDiffusionTests
{
    [Fact]
    public void Parts_are_as_large_as_the_public_ones()
    {
        string text = ExampleProgram.Run("stable-diffusion", "info");
        Assert.Equal(859_520_964, ExampleProgram.NumberAfter(text, "U-Net"));
        Assert.Equal(49_490_179 + 20, ExampleProgram.NumberAfter(text, "decoder"));
        Assert.Equal(123_060_480, ExampleProgram.NumberAfter(text, "text encoder"));
    }

    [Fact]
    public void State_dicts_have_the_public_names_and_shapes()
    {
        using var meta = Device.Meta.Scope();
        var unet = new UNet(UNetConfig.StableDiffusion1).StateDict();
        Assert.Equal(686, unet.Count);
        Check(unet, "time_embed.2.weight", 1280, 1280);
        Check(unet, "input_blocks.0.0.weight", 320, 4, 3, 3);
        Check(unet, "input_blocks.3.0.op.weight", 320, 320, 3, 3);
        Check(unet, "input_blocks.4.0.skip_connection.weight", 640, 320, 1, 1);
        Check(unet, "input_blocks.1.1.transformer_blocks.0.attn2.to_k.weight", 320, 768);
        Check(unet, "input_blocks.11.0.out_layers.3.weight", 1280, 1280, 3, 3);
        Check(unet, "middle_block.1.transformer_blocks.0.ff.net.0.proj.weight", 10240, 1280);
        Check(unet, "output_blocks.2.1.conv.weight", 1280, 1280, 3, 3);
        Check(unet, "output_blocks.5.2.conv.weight", 1280, 1280, 3, 3);
        Check(unet, "output_blocks.11.0.in_layers.2.weight", 320, 640, 3, 3);
        Check(unet, "out.2.weight", 4, 320, 3, 3);
        var decoder = new AutoencoderDecoder(128, 4, [1, 2, 4, 4], 2).StateDict();
        Check(decoder, "post_quant_conv.weight", 4, 4, 1, 1);
        Check(decoder, "decoder.mid.attn_1.proj_out.weight", 512, 512, 1, 1);
        Check(decoder, "decoder.mid.block_2.conv1.weight", 512, 512, 3, 3);
        Check(decoder, "decoder.up.1.block.0.nin_shortcut.weight", 256, 512, 1, 1);
        Check(decoder, "decoder.up.3.upsample.conv.weight", 512, 512, 3, 3);
        Check(decoder, "decoder.norm_out.weight", 128);
        var text = new ClipText(49408, 77, 768, 12, 12).StateDict();
        Assert.Equal(196, text.Count);
        Check(text, "text_model.embeddings.position_embedding.weight", 77, 768);
        Check(text, "text_model.encoder.layers.11.self_attn.q_proj.weight", 768, 768);
        Check(text, "text_model.encoder.layers.0.layer_norm2.bias", 768);
        Check(text, "text_model.encoder.layers.3.mlp.fc1.weight", 3072, 768);
        Check(text, "text_model.final_layer_norm.weight", 768);
    }

    [Fact]
    public void Small_parts_fit_together()
    {
        Tensor.ManualSeed(1);
        using var off = Tensor.NoGrad();
        var clip = new ClipText(50, 7, 16, 2, 2);
        var words = clip.Forward(
            Tensor.From(
                new long[,]
                {
                    { 1, 2, 3, 4, 5, 6, 7 },
                    { 1, 2, 3, 9, 9, 9, 9 },
                }
            )
        );
        Assert.Equal([2, 7, 16], words.Shape.ToArray());
        // A word sees those before it only.
        Assert.Equal(0, (words[0, ..3] - words[1, ..3]).Abs().Max().Item(), 1e-6);
        Assert.NotEqual(0, (words[0, 3..] - words[1, 3..]).Abs().Max().Item(), 1e-3);

        var unet = new UNet(new UNetConfig(32, 4, [1, 2], [1], 1, 2, 16));
        var x = Tensor.Randn(2, 4, 8, 8);
        Tensor Noise(Tensor step, Tensor seen) => unet.Forward(x, step, seen);
        var step = Tensor.From(new long[] { 10, 500 });
        var noise = Noise(step, words);
        Assert.Equal([2, 4, 8, 8], noise.Shape.ToArray());
        Assert.True(noise.IsFinite().All().Item() == 1);
        // It depends on the words and the step, each picture on its own.
        Assert.NotEqual(0, (noise - Noise(step, words.Flip(0))).Abs().Max().Item(), 1e-6);
        var later = Noise(Tensor.From(new long[] { 10, 900 }), words);
        Assert.Equal(0, (noise[0] - later[0]).Abs().Max().Item(), 1e-5);
        Assert.NotEqual(0, (noise[1] - later[1]).Abs().Max().Item(), 1e-6);

        var decoder = new AutoencoderDecoder(32, 4, [1, 2], 1);
        Assert.Equal([2, 3, 16, 16], decoder.Forward(x).Shape.ToArray());
    }

    private static void Check(IReadOnlyDictionary<string, Tensor> state, string name, params long[] shape)
    {
        Assert.True(state.TryGetValue(name, out var tensor), $"there is no {name}");
        Assert.Equal(shape, tensor.Shape.ToArray());
    }
}
